"""Document QA with naive RAG: a document comes with the question (paper, section 7.1, Fig. 8).

The document is split, embedded and indexed; an answer is written from six passages, two of which
fit into a prompt, and then one from these answers: 3 + 1 calls, as in the paper.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from llama_index.core import Document, QueryBundle, VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer

from benchmarks.apps import engines
from benchmarks.apps.making import baselines, when_asked
from benchmarks.apps.modules import EMBEDDING, LLM, STORE, Chain, Module
from benchmarks.apps.settings import Settings

TOP_K: Final = 6
WINDOW: Final = 1024
"""Tokens of a prompt with its answer."""
MANY: Final = 128
"""Texts that the embedding model takes at a time without being slower for each."""


def make(settings: Settings) -> Callable[[str, str], str]:
    """The program: a question and a document give an answer."""
    llm = engines.llm(settings, context_window=WINDOW)
    embedding = engines.embedding(settings)
    splitter = engines.splitter(settings)

    def answer(question: str, document: str) -> str:
        index = VectorStoreIndex.from_documents(
            [Document(text=document)], transformations=[splitter], embed_model=embedding
        )
        engine = index.as_query_engine(
            llm=llm, response_mode="tree_summarize", similarity_top_k=TOP_K
        )
        return str(engine.query(question))

    return answer


def tuned(settings: Settings) -> Callable[[str, str], Awaitable[str]]:
    """The program of an expert: asynchronous, with large batches."""
    llm = engines.llm(settings, context_window=WINDOW)
    embedding = engines.embedding(settings, batch=MANY)
    splitter = engines.splitter(settings)
    pipeline = IngestionPipeline(transformations=[splitter, embedding], disable_cache=True)

    async def answer(question: str, document: str) -> str:
        nodes = await pipeline.arun(documents=[Document(text=document)])
        index = VectorStoreIndex(nodes, embed_model=embedding)
        engine = index.as_query_engine(
            llm=llm, response_mode="tree_summarize", similarity_top_k=TOP_K, use_async=True
        )
        return str(await engine.aquery(question))

    return answer


def chain(settings: Settings, engines: Any = engines) -> Chain:
    """The same as modules. The question can be embedded while the document is indexed."""
    llm = engines.llm(settings, context_window=WINDOW)
    embedding = engines.embedding(settings)
    splitter = engines.splitter(settings)
    # A module asks at once for what needs nothing of each other: a bundle of the paper.
    synthesizer = get_response_synthesizer(
        llm=llm, response_mode=ResponseMode.TREE_SUMMARIZE, use_async=True
    )

    def index(document: str) -> list[Any]:
        nodes: list[Any] = embedding(splitter([Document(text=document)]))
        return nodes

    def search(nodes: list[Any], question: str, vector: list[float]) -> list[Any]:
        made = VectorStoreIndex(nodes, embed_model=embedding)
        retriever = made.as_retriever(similarity_top_k=TOP_K)
        return retriever.retrieve(QueryBundle(question, embedding=vector))

    def write(question: str, found: list[Any]) -> str:
        return str(synthesizer.synthesize(question, found))

    return Chain(
        "naive",
        ("question", "document"),
        (
            Module("index", index, ("document",), (EMBEDDING,)),
            Module("embed", embedding.get_query_embedding, ("question",), (EMBEDDING,)),
            Module("search", search, ("index", "question", "embed"), (STORE,)),
            Module("answer", write, ("question", "search"), (LLM,)),
        ),
    )


__getattr__ = when_asked(__name__, answer=make, tuned_answer=tuned, arms=baselines(__name__))

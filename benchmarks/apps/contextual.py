"""Contextual retrieval: an LLM writes a context for each chunk that is indexed (paper, Fig. 8).

LlamaIndex's extractor shows the LLM the whole document with each chunk. Thirty-two passages are
found, a reranker keeps three, and one call answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from llama_index.core import Document, QueryBundle, VectorStoreIndex
from llama_index.core.extractors import DocumentContextExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.storage.docstore import SimpleDocumentStore

from benchmarks.apps import engines
from benchmarks.apps.making import baselines, when_asked
from benchmarks.apps.modules import EMBEDDING, LLM, RERANKER, STORE, Chain, Module
from benchmarks.apps.naive import MANY
from benchmarks.apps.settings import Settings

TOP_K: Final = 32
TOP_N: Final = 3
NOTE_TOKENS: Final = 32
"""As in benchmarks/paper."""
LONGEST: Final = 100_000
"""Tokens of a document."""
WORKERS: Final = 4
"""Of an extractor, by default."""


def _contextualise(document: Document, llm: Any, workers: int) -> DocumentContextExtractor:
    store = SimpleDocumentStore()
    store.add_documents([document])
    return DocumentContextExtractor(
        docstore=store,
        llm=llm,
        max_context_length=LONGEST,
        max_output_tokens=NOTE_TOKENS,
        num_workers=workers,
        show_progress=False,
    )


def make(settings: Settings) -> Callable[[str, str], str]:
    """The program: a question and a document give an answer."""
    llm = engines.llm(settings)
    embedding = engines.embedding(settings)
    splitter = engines.splitter(settings)
    reranker = engines.reranker(settings, top_n=TOP_N)

    def answer(question: str, document: str) -> str:
        given = Document(text=document)
        contextualise = _contextualise(given, llm, WORKERS)
        index = VectorStoreIndex.from_documents(
            [given], transformations=[splitter, contextualise], embed_model=embedding
        )
        engine = index.as_query_engine(
            llm=llm, similarity_top_k=TOP_K, node_postprocessors=[reranker]
        )
        return str(engine.query(question))

    return answer


def served(settings: Settings) -> Callable[[str, str], Awaitable[str]]:
    """The same as an endpoint: awaited, so that all who ask share one loop; all by default else.

    The extractor's client is bound to a loop. :func:`make` in several threads, each with a loop of
    its own, hangs as LlamaIndex has it.
    """
    llm = engines.llm(settings)
    embedding = engines.embedding(settings)
    splitter = engines.splitter(settings)
    reranker = engines.reranker(settings, top_n=TOP_N)

    async def answer(question: str, document: str) -> str:
        given = Document(text=document)
        contextualise = _contextualise(given, llm, WORKERS)
        pipeline = IngestionPipeline(transformations=[splitter, contextualise, embedding])
        nodes = await pipeline.arun(documents=[given])
        index = VectorStoreIndex(nodes, embed_model=embedding)
        engine = index.as_query_engine(
            llm=llm, similarity_top_k=TOP_K, node_postprocessors=[reranker]
        )
        return str(await engine.aquery(question))

    return answer


def tuned(settings: Settings) -> Callable[[str, str], Awaitable[str]]:
    """The program of an expert: asynchronous, with large batches and all contexts at once."""
    llm = engines.llm(settings)
    embedding = engines.embedding(settings, batch=MANY)
    splitter = engines.splitter(settings)
    reranker = engines.reranker(settings, top_n=TOP_N)

    async def answer(question: str, document: str) -> str:
        given = Document(text=document)
        contextualise = _contextualise(given, llm, workers=MANY)
        pipeline = IngestionPipeline(
            transformations=[splitter, contextualise, embedding], disable_cache=True
        )
        nodes = await pipeline.arun(documents=[given])
        index = VectorStoreIndex(nodes, embed_model=embedding)
        engine = index.as_query_engine(
            llm=llm, similarity_top_k=TOP_K, node_postprocessors=[reranker], use_async=True
        )
        return str(await engine.aquery(question))

    return answer


def chain(settings: Settings, engines: Any = engines) -> Chain:
    """The same as modules. The question can be embedded while the document is indexed."""
    llm = engines.llm(settings)
    embedding = engines.embedding(settings)
    splitter = engines.splitter(settings)
    reranker = engines.reranker(settings, top_n=TOP_N)
    synthesizer = get_response_synthesizer(llm=llm)

    def contextualise(document: str) -> list[Any]:
        given = Document(text=document)
        nodes: list[Any] = _contextualise(given, llm, workers=MANY)(splitter([given]))
        return nodes

    def search(nodes: list[Any], question: str, vector: list[float]) -> list[Any]:
        made = VectorStoreIndex(nodes, embed_model=embedding)
        retriever = made.as_retriever(similarity_top_k=TOP_K)
        return retriever.retrieve(QueryBundle(question, embedding=vector))

    def rerank(question: str, found: list[Any]) -> list[Any]:
        kept: list[Any] = reranker.postprocess_nodes(found, QueryBundle(question))
        return kept

    def write(question: str, found: list[Any]) -> str:
        return str(synthesizer.synthesize(question, found))

    return Chain(
        "contextual",
        ("question", "document"),
        (
            Module("contextualise", contextualise, ("document",), (LLM,)),
            Module("index", embedding, ("contextualise",), (EMBEDDING,)),
            Module("embed", embedding.get_query_embedding, ("question",), (EMBEDDING,)),
            Module("search", search, ("index", "question", "embed"), (STORE,)),
            Module("rerank", rerank, ("question", "search"), (RERANKER,)),
            Module("answer", write, ("question", "rerank"), (LLM,)),
        ),
    )


__getattr__ = when_asked(__name__, answer=make, tuned_answer=tuned, arms=baselines(__name__))

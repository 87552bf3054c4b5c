"""Document QA with advanced RAG: expansion, fusion, reranking, refinement (paper, Fig. 6, Fig. 8).

The document is indexed, the question rewritten as three more; each of the four finds sixteen
passages, a reranker keeps three, and an answer is written from the first and refined twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from llama_index.core import Document, QueryBundle, VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES

from benchmarks.apps import engines
from benchmarks.apps.making import baselines, when_asked
from benchmarks.apps.modules import EMBEDDING, LLM, RERANKER, STORE, Chain, Module
from benchmarks.apps.naive import MANY
from benchmarks.apps.settings import Settings

TOP_K: Final = 16
TOP_N: Final = 3
QUERIES: Final = 4
"""The question itself and three that the LLM writes."""


def _fusion(index: Any, llm: Any, *, use_async: bool) -> QueryFusionRetriever:
    return QueryFusionRetriever(
        [index.as_retriever(similarity_top_k=TOP_K)],
        llm=llm,
        mode=FUSION_MODES.RECIPROCAL_RANK,
        similarity_top_k=TOP_K,
        num_queries=QUERIES,
        use_async=use_async,
    )


def make(settings: Settings) -> Callable[[str, str], str]:
    """The program: a question and a document give an answer."""
    llm = engines.llm(settings)
    embedding = engines.embedding(settings)
    splitter = engines.splitter(settings)
    reranker = engines.reranker(settings, top_n=TOP_N)

    def answer(question: str, document: str) -> str:
        index = VectorStoreIndex.from_documents(
            [Document(text=document)], transformations=[splitter], embed_model=embedding
        )
        engine = RetrieverQueryEngine.from_args(
            _fusion(index, llm, use_async=False),
            llm=llm,
            response_mode=ResponseMode.REFINE,
            node_postprocessors=[reranker],
        )
        return str(engine.query(question))

    return answer


def tuned(settings: Settings) -> Callable[[str, str], Awaitable[str]]:
    """The program of an expert: asynchronous, with large batches."""
    llm = engines.llm(settings)
    embedding = engines.embedding(settings, batch=MANY)
    splitter = engines.splitter(settings)
    reranker = engines.reranker(settings, top_n=TOP_N)
    pipeline = IngestionPipeline(transformations=[splitter, embedding], disable_cache=True)

    async def answer(question: str, document: str) -> str:
        nodes = await pipeline.arun(documents=[Document(text=document)])
        index = VectorStoreIndex(nodes, embed_model=embedding)
        engine = RetrieverQueryEngine.from_args(
            _fusion(index, llm, use_async=True),
            llm=llm,
            response_mode=ResponseMode.REFINE,
            node_postprocessors=[reranker],
            use_async=True,
        )
        return str(await engine.aquery(question))

    return answer


def chain(settings: Settings, engines: Any = engines) -> Chain:
    """The same as modules. The question can be expanded while the document is indexed."""
    llm = engines.llm(settings)
    embedding = engines.embedding(settings)
    splitter = engines.splitter(settings)
    reranker = engines.reranker(settings, top_n=TOP_N)
    synthesizer = get_response_synthesizer(llm=llm, response_mode=ResponseMode.REFINE)

    def index(document: str) -> list[Any]:
        nodes: list[Any] = embedding(splitter([Document(text=document)]))
        return nodes

    def expand(question: str) -> list[QueryBundle]:
        empty = VectorStoreIndex([], embed_model=embedding)
        written = _fusion(empty, llm, use_async=False)._get_queries(question)
        return [QueryBundle(question), *written]

    async def embedded(queries: list[QueryBundle]) -> list[list[float]]:
        texts = (query.query_str for query in queries)
        return list(await asyncio.gather(*map(embedding.aget_query_embedding, texts)))

    def embed(queries: list[QueryBundle]) -> list[QueryBundle]:
        for query, vector in zip(queries, asyncio.run(embedded(queries)), strict=True):
            query.embedding = vector
        return queries

    def search(nodes: list[Any], queries: list[QueryBundle]) -> list[Any]:
        fusion = _fusion(VectorStoreIndex(nodes, embed_model=embedding), llm, use_async=False)
        results = fusion._run_sync_queries(queries)
        return fusion._reciprocal_rerank_fusion(results)[:TOP_K]

    def rerank(question: str, found: list[Any]) -> list[Any]:
        kept: list[Any] = reranker.postprocess_nodes(found, QueryBundle(question))
        return kept

    def write(question: str, found: list[Any]) -> str:
        return str(synthesizer.synthesize(question, found))

    return Chain(
        "advanced",
        ("question", "document"),
        (
            Module("index", index, ("document",), (EMBEDDING,)),
            Module("expand", expand, ("question",), (LLM,)),
            Module("embed", embed, ("expand",), (EMBEDDING,)),
            Module("search", search, ("index", "embed"), (STORE,)),
            Module("rerank", rerank, ("question", "search"), (RERANKER,)),
            Module("answer", write, ("question", "rerank"), (LLM,)),
        ),
    )


__getattr__ = when_asked(__name__, answer=make, tuned_answer=tuned, arms=baselines(__name__))

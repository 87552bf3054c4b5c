"""LlamaIndex over engines that are asked by plain HTTP: TEI as its users write it."""

from __future__ import annotations

from typing import Any

import aiohttp
import httpx
import requests
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import VectorIndexRetriever
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from tests.differential import llama_index_parts as parts
from tests.differential.harness import Case, Env
from tests.differential.rows_remote import QUERY
from tests.differential.rows_retrieval import RETRIEVE
from tests.stub_openai import StubOpenAI


class TeiEmbedding(BaseEmbedding):
    """Asked over requests and aiohttp, by a client a call."""

    url: str

    def _get_text_embedding(self, text: str) -> list[float]:
        reply = requests.post(f"{self.url}/embed", json={"inputs": text}, timeout=10)
        reply.raise_for_status()
        vectors: list[list[float]] = reply.json()
        return vectors[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        session = aiohttp.ClientSession(raise_for_status=True)
        async with session, session.post(f"{self.url}/embed", json={"inputs": query}) as reply:
            vectors: list[list[float]] = await reply.json()
        return vectors[0]


class TeiRerank(BaseNodePostprocessor):
    """The best two nodes; asked over requests, or as LlamaIndex's own class over httpx."""

    url: str
    over: str = "requests"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        texts = [node.node.get_content(MetadataMode.EMBED) for node in nodes]
        body = {"query": query_bundle.query_str if query_bundle else "", "texts": texts}
        if self.over == "requests":
            found: Any = requests.post(f"{self.url}/rerank", json=body, timeout=10)
        else:
            with httpx.Client() as client:
                found = client.post(f"{self.url}/rerank", json=body, timeout=10)
        found.raise_for_status()
        best = found.json()[:2]
        return [NodeWithScore(node=nodes[b["index"]].node, score=b["score"]) for b in best]


def _retriever(env: Env) -> VectorIndexRetriever:
    index = VectorStoreIndex(parts.nodes(), embed_model=TeiEmbedding(url=env.stub.root_url))
    return VectorIndexRetriever(index, similarity_top_k=4)


def _engine(env: Env, over: str = "requests") -> Any:
    rerank = TeiRerank(url=env.stub.root_url, over=over)
    return parts.engine(env, ResponseMode.COMPACT, source=_retriever(env), postprocessors=[rerank])


def _refuses(stub: StubOpenAI) -> None:
    stub.reply_when(lambda request: request.path == "/rerank", status=500)


ROWS = [
    Case("tei-vector", _retriever, entries=RETRIEVE),
    Case("tei-rerank-engine", _engine, entries=QUERY),
    Case("tei-rerank-engine-httpx", lambda env: _engine(env, "httpx"), entries=("query",)),
    Case("tei-rerank-refused", _engine, entries=("query", "aquery"), script=_refuses),
]

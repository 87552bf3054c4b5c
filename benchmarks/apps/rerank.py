"""A reranker behind HTTP for LlamaIndex, written as its packages for hosted rerankers are."""

from __future__ import annotations

import httpx
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle


class ServedRerank(BaseNodePostprocessor):
    """Keeps the passages that a server's ``/rerank`` puts first."""

    model: str = Field(description="What the server calls the reranker.")
    url: str = Field(description="The server's address; /rerank stands below it.")
    top_n: int = Field(description="How many passages are kept.")
    _client: httpx.Client = PrivateAttr(default_factory=lambda: httpx.Client(timeout=600.0))

    @classmethod
    def class_name(cls) -> str:
        """Its name where LlamaIndex writes it down."""
        return "ServedRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise ValueError("a reranker needs a question")
        if not nodes:
            return []
        texts = [each.node.get_content(MetadataMode.EMBED) for each in nodes]
        return [
            NodeWithScore(node=nodes[at].node, score=score)
            for at, score in self.ranked(query_bundle.query_str, texts)
        ]

    def ranked(self, query: str, texts: list[str]) -> list[tuple[int, float]]:
        """Which of the texts are kept, by their numbers and scores; the best first."""
        asked = {"model": self.model, "query": query, "documents": texts, "top_n": self.top_n}
        reply = self._client.post(f"{self.url}/rerank", json=asked)
        reply.raise_for_status()
        return [(each["index"], each["relevance_score"]) for each in reply.json()["results"]]

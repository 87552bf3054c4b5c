"""An OpenAI-compatible server's embeddings as an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ayo_bridge.engines.dialects.openai import (
    EMBEDDINGS,
    MOST_BYTES,
    Vectors,
    vectors_in,
)
from ayo_bridge.engines.openai_http.engine import OpenAIServer
from ayo_bridge.engines.openai_http.reply import Reply, UnreadableReplyError
from ayo_bridge.engines.openai_http.said import check_size
from ayo_bridge.seam import EngineKind

__all__ = [
    "MOST_BYTES",
    "SERVERS",
    "EmbeddingServer",
    "RerankServer",
    "SearchServer",
    "StoreServer",
    "Vectors",
    "vectors_of",
]


class EmbeddingServer(OpenAIServer):
    """Takes requests to ``/embeddings``, whose replies are plain, on connections of our own."""

    kind = EngineKind.EMBEDDING


class RerankServer(OpenAIServer):
    """Takes requests to a reranker or scorer."""

    kind = EngineKind.RERANKER


class SearchServer(OpenAIServer):
    """Takes requests to a search API."""

    kind = EngineKind.SEARCH_API


class StoreServer(OpenAIServer):
    """Takes requests to a vector store."""

    kind = EngineKind.VECTOR_STORE


SERVERS: Final[Mapping[EngineKind, type[OpenAIServer]]] = {
    each.kind: each
    for each in (OpenAIServer, EmbeddingServer, RerankServer, SearchServer, StoreServer)
}
"""What serves a kind of engine over HTTP."""


def vectors_of(reply: Reply) -> Vectors:
    """The vectors of a reply, one an input, as the SDK of OpenAI gives them to its caller.

    Raises:
        ValueError: it is no reply of success, is not complete, has no such form, or is too large.
    """
    if not reply.ok:
        raise ValueError(f"the server replied with status {reply.status}")
    check_size(EMBEDDINGS, reply)
    try:
        return vectors_in(reply.json())
    except UnreadableReplyError as error:
        raise ValueError(f"a reply without vectors: {error!r}") from error

"""An OpenAI-compatible server's embeddings as an engine."""

from __future__ import annotations

from ayo_bridge.engines.dialects.openai import EMBEDDINGS, MOST_BYTES, Vectors, vectors_in
from ayo_bridge.engines.openai_http.engine import OpenAIServer
from ayo_bridge.engines.openai_http.reply import Reply, UnreadableReplyError
from ayo_bridge.engines.openai_http.said import check_size
from ayo_bridge.seam import EngineKind

__all__ = ["MOST_BYTES", "EmbeddingServer", "Vectors", "vectors_of"]


class EmbeddingServer(OpenAIServer):
    """Takes requests to ``/embeddings``, whose replies are plain, on connections of our own."""

    kind = EngineKind.EMBEDDING


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

"""An OpenAI-compatible server's embeddings as an engine."""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from typing import Any, Final

from ayo_bridge.engines.openai_http.engine import OpenAIServer
from ayo_bridge.engines.openai_http.reply import Reply, UnreadableReplyError
from ayo_bridge.seam import EngineKind

Vectors = tuple[tuple[float, ...], ...]


MOST_BYTES: Final = 2_500_000
"""Of a reply that is looked into: what is larger belongs to an index being built, not to a query.
"""


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
    if len(reply.body.so_far()) > MOST_BYTES:
        raise ValueError(f"its vectors have more than {MOST_BYTES:,} bytes")
    try:
        return tuple(_vector(each["embedding"]) for each in reply.json()["data"])
    except (UnreadableReplyError, KeyError, TypeError, binascii.Error) as error:
        raise ValueError(f"a reply without vectors: {error!r}") from error


def _vector(embedding: Any) -> tuple[float, ...]:
    """Numbers, or (``encoding_format: base64``) the bytes of little-endian 32-bit floats."""
    if not isinstance(embedding, str):
        return tuple(map(float, embedding))
    numbers = array("f", base64.b64decode(embedding, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return tuple(numbers)

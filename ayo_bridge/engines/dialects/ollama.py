"""Ollama's own API, as its clients ask it (ollama 0.6): chat, generate, embed.

Streams are a JSON object a line. A request without ``stream`` gets one.
"""

from __future__ import annotations

import json
from typing import Any, Final

from ayo_bridge.engines.dialects.openai import MOST_BYTES
from ayo_bridge.seam import Answer, AskedTool, EngineKind, Fields
from ayo_bridge.seam.dialect import Dialect, Said, TokenCounts

_AGENT: Final = "ollama-python/"
"""Others, too, have a path that ends in ``/api/chat``."""
_TOKENS: Final = TokenCounts("", "prompt_eval_count", "eval_count")


def _stays_loaded(body: Fields) -> bool:
    """Whether the model is not unloaded with the reply."""
    return body.get("keep_alive") not in (0, "0", "0s", "0m")


def _last(said: Said) -> None:
    """Check that a reply has come to its end.

    Raises:
        ValueError: it has not.
    """
    if not said.documents or not said.documents[-1].get("done"):
        raise ValueError("the reply has no end")


def _chatted(_: Fields, said: Said) -> Answer:
    _last(said)
    messages = [document["message"] for document in said.documents]
    tools = tuple(
        AskedTool("", call["function"]["name"], json.dumps(call["function"]["arguments"]))
        for message in messages
        for call in message.get("tool_calls") or ()
    )
    return Answer(text="".join(map(_content, messages)), tools=tools)


def _content(message: Any) -> str:
    return message.get("content") or ""


def _generated(_: Fields, said: Said) -> Answer:
    _last(said)
    return Answer(text="".join(map(_response, said.documents)))


def _response(document: Any) -> str:
    return document.get("response") or ""


def _vectors(_: Fields, said: Said) -> Answer:
    document = said.document
    found = document["embeddings"] if "embeddings" in document else [document["embedding"]]
    return Answer(vectors=tuple(tuple(map(float, vector)) for vector in found))


OLLAMA_CHAT: Final = Dialect(
    name="Ollama chat",
    kind=EngineKind.LLM,
    paths=("/api/chat",),
    agent=_AGENT,
    fields=("messages",),
    model_needed=True,
    delivery=("stream",),
    streams_unless_told=True,
    pure=_stays_loaded,
    answer=_chatted,
    piece=lambda document: _content(document["message"]),
    tokens=_TOKENS,
)
OLLAMA_GENERATE: Final = Dialect(
    name="Ollama generate",
    kind=EngineKind.LLM,
    paths=("/api/generate",),
    agent=_AGENT,
    fields=("prompt",),
    model_needed=True,
    delivery=("stream",),
    streams_unless_told=True,
    pure=_stays_loaded,
    answer=_generated,
    piece=_response,
    tokens=_TOKENS,
)
OLLAMA_EMBED: Final = Dialect(
    name="Ollama embed",
    kind=EngineKind.EMBEDDING,
    paths=("/api/embed", "/api/embeddings"),
    agent=_AGENT,
    model_needed=True,
    inputs="input",
    delivery=(),
    pure=_stays_loaded,
    deterministic=True,
    answer=_vectors,
    most_bytes=MOST_BYTES,
)

"""OpenAI's API, as vLLM and many others serve it: chat, completions, responses, embeddings."""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from collections.abc import Sequence
from typing import Any, Final

from ayo_bridge.seam import Answer, AskedTool, EngineKind, Fields
from ayo_bridge.seam.dialect import Dialect, Said, TokenCounts

DONE: Final = "[DONE]"
"""The last event of a stream."""
MOST_BYTES: Final = 2_500_000
"""Of a reply that is looked into: what is larger belongs to an index being built, not to a query.
"""
Vectors = tuple[tuple[float, ...], ...]


def _works_alone(body: Fields) -> bool:
    """Whether the server itself calls no tools, which may change something."""
    tools = body.get("tools") or ()
    return "web_search_options" not in body and all(
        isinstance(tool, dict) and tool.get("type") == "function" for tool in tools
    )


def _completed(_: Fields, said: Said) -> Answer:
    """Text and tool calls of the first choice; a stream must have ended.

    Raises:
        ValueError: it has not.
    """
    if said.streamed:
        return _streamed(said.documents)
    choice = said.document["choices"][0]
    message = choice.get("message")
    if message is None:
        return Answer(text=choice["text"])
    tools = tuple(
        AskedTool(str(tool["id"]), tool["function"]["name"], tool["function"]["arguments"])
        for tool in message.get("tool_calls") or ()
    )
    return Answer(text=message.get("content"), tools=tools)


def _streamed(documents: Sequence[Any]) -> Answer:
    texts: list[str] = []
    tools: dict[int, list[str]] = {}
    ended = False
    for document in documents:
        if document == DONE:
            ended = True
            break
        for choice in document["choices"]:
            if choice.get("index", 0) != 0:
                continue
            ended = ended or choice.get("finish_reason") is not None
            delta = choice.get("delta")
            if delta is None:
                texts.append(choice.get("text") or "")
                continue
            texts.append(delta.get("content") or "")
            for piece in delta.get("tool_calls") or ():
                _grown(tools.setdefault(piece["index"], ["", "", ""]), piece)
    if not ended:
        raise ValueError("the stream has no end")
    asked = tuple(AskedTool(*parts) for _, parts in sorted(tools.items()))
    return Answer(text="".join(texts), tools=asked)


def _grown(tool: list[str], piece: Any) -> None:
    """A tool call comes in pieces: its id and name once, its arguments bit by bit."""
    function = piece.get("function") or {}
    tool[0] = tool[0] or piece.get("id") or ""
    tool[1] = tool[1] or function.get("name") or ""
    tool[2] += function.get("arguments") or ""


def vectors_in(document: Any) -> Vectors:
    """The vectors of a reply, one an input, as OpenAI's SDK gives them to its caller.

    Raises:
        ValueError: it has no such form.
    """
    try:
        return tuple(_vector(each["embedding"]) for each in document["data"])
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError(f"a reply without vectors: {error!r}") from error


def _vector(embedding: Any) -> tuple[float, ...]:
    """Numbers, or (``encoding_format: base64``) the bytes of little-endian 32-bit floats."""
    if not isinstance(embedding, str):
        return tuple(map(float, embedding))
    numbers = array("f", base64.b64decode(embedding, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return tuple(numbers)


CHAT: Final = Dialect(
    name="OpenAI chat",
    kind=EngineKind.LLM,
    paths=("/chat/completions",),
    pure=_works_alone,
    answer=_completed,
    tokens=TokenCounts(),
    any_client=False,
)
COMPLETIONS: Final = Dialect(
    name="OpenAI completions",
    kind=EngineKind.LLM,
    paths=("/completions",),
    pure=_works_alone,
    answer=_completed,
    tokens=TokenCounts(),
    any_client=False,
)
RESPONSES: Final = Dialect(
    name="OpenAI responses",
    kind=EngineKind.LLM,
    paths=("/responses",),
    model_needed=True,
    any_client=False,
)
EMBEDDINGS: Final = Dialect(
    name="OpenAI embeddings",
    kind=EngineKind.EMBEDDING,
    paths=("/embeddings",),
    model_needed=True,
    inputs="input",
    delivery=(),
    deterministic=True,
    answer=lambda _, said: Answer(vectors=vectors_in(said.document)),
    most_bytes=MOST_BYTES,
)

"""What the replies of completions say, plain or streamed, as plain data."""

from __future__ import annotations

import json
import zlib
from typing import Any

from ayo_bridge.engines.openai_http.reply import Reply, UnreadableReplyError
from ayo_bridge.engines.openai_http.sse import EventParser
from ayo_bridge.seam import Answer, AskedTool

_UNKNOWN = (UnreadableReplyError, zlib.error, AttributeError, KeyError, IndexError, TypeError)


def answer_of(result: Any) -> Answer:
    """Text and tool calls of the first choice of a reply; a streamed one must have ended.

    Raises:
        ValueError: it is no reply of success, is not complete, or has no such form.
    """
    if not isinstance(result, Reply) or not result.ok:
        raise ValueError("no reply of success")
    try:
        if (result.header(b"content-type") or b"").startswith(b"text/event-stream"):
            return _streamed(result)
        choice = result.json()["choices"][0]
        message = choice.get("message")
        if message is None:
            return Answer(text=choice["text"])
        tools = tuple(
            AskedTool(str(tool["id"]), tool["function"]["name"], tool["function"]["arguments"])
            for tool in message.get("tool_calls") or ()
        )
        return Answer(text=message.get("content"), tools=tools)
    except _UNKNOWN as error:
        raise ValueError(f"a reply of an unknown form: {error!r}") from error


def _streamed(reply: Reply) -> Answer:
    texts: list[str] = []
    tools: dict[int, list[str]] = {}
    ended = False
    for data in EventParser().feed(reply.decoded()):
        if data.strip() == "[DONE]":
            ended = True
            break
        for choice in json.loads(data)["choices"]:
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

"""What the replies of completions say, plain or streamed, as plain data."""

from __future__ import annotations

import json
import weakref
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from ayo_bridge.engines.openai_http.reply import Reply, UnreadableReplyError
from ayo_bridge.engines.openai_http.sse import EventParser
from ayo_bridge.seam import Answer, AskedTool

_UNKNOWN = (UnreadableReplyError, zlib.error, AttributeError, KeyError, IndexError, TypeError)


_OF_VLLM: Final = b'"kv_transfer_params"'
_ROLES: Final = ("system", "developer", "user", "assistant", "tool")
_ESCAPE: Final = 6
"""Characters of the longest escape in JSON: a beginning may end within one."""


def shows_prefix_cache(result: Any) -> bool:
    """Whether a reply is one of vLLM, which keeps prefixes in a cache unless it is told not to.

    Only its plain replies have such a key (0.32); within texts its quotes would be escaped.
    """
    if not isinstance(result, Reply) or not result.ok or not result.body.ended:
        return False
    try:
        return _OF_VLLM in result.decoded()
    except (UnreadableReplyError, zlib.error):
        return False


def cut_prompt(beginning: str, like: Mapping[str, Any]) -> dict[str, Any]:
    """The messages, or the prompt, of a request as far as its canonical JSON has come.

    The last message, which has only a part of its text, has the role of that in ``like``.

    Raises:
        ValueError: it has not come so far.
    """
    name = "messages" if "messages" in like else "prompt"
    close = '"}]}' if name == "messages" else '"}'
    for shorter in range(_ESCAPE + 1):
        text = beginning[: len(beginning) - shorter]
        for ending in (close, ""):
            try:
                found = json.loads(text + ending).get(name)
            except ValueError:
                continue
            if name == "prompt" and isinstance(found, str) and found:
                return {name: found}
            if name == "messages" and isinstance(found, list) and found:
                return {name: _with_role(found, like[name])}
    raise ValueError("no prompt begins in what is known")


def _with_role(messages: list[Any], like: Any) -> list[Any]:
    *before, last = messages
    if not isinstance(last, dict) or not isinstance(last.get("content"), str):
        raise ValueError("the last message has no text")
    if "role" in last:
        if last["role"] not in _ROLES:
            raise ValueError("the role of the last message is not known")
        return messages
    other = like[min(len(before), len(like) - 1)]
    return [*before, {"role": other["role"], **last}]


_known: Final[weakref.WeakKeyDictionary[Reply, Answer]] = weakref.WeakKeyDictionary()
"""What replies said: one made ahead is asked when it has come, and when the original has it."""


def once_read(read: Callable[[Any], Answer]) -> Callable[[Any], Answer]:
    """``read``, which is done but once for each reply."""

    def reading(result: Any) -> Answer:
        if not isinstance(result, Reply):
            return read(result)
        answer = _known.get(result)
        if answer is None:
            answer = _known[result] = read(result)
        return answer

    return reading


@once_read
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

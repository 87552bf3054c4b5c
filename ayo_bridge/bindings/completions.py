"""What the replies of completions say, plain or streamed, as plain data."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from ayo_bridge.engines.dialects import CHAT
from ayo_bridge.engines.openai_http.reply import Reply, UnreadableReplyError
from ayo_bridge.engines.openai_http.said import answer_by
from ayo_bridge.seam import Answer

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


def answer_of(result: Any) -> Answer:
    """Text and tool calls of the first choice of a reply; a streamed one must have ended.

    Raises:
        ValueError: it is no reply of success, is not complete, or has no such form.
    """
    return answer_by(CHAT, {}, result)

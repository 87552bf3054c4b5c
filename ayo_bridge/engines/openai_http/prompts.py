"""What a router is told of a request: how its prompt begins, and how long it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ayo_bridge.engines.openai_http.request import PROMPT_FIELDS
from ayo_bridge.schedule.prefixes import CHUNK, CHUNK_TOKENS, chain_of
from ayo_bridge.schedule.routing import Prompt

_MOST_TOKENS: Final = ("max_completion_tokens", "max_tokens")
_IDS: Final = int(CHUNK_TOKENS)


def fields_of(body: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of a request's body; none where that is no JSON object."""
    try:
        fields = json.loads(body) if isinstance(body, bytes) else body
    except ValueError:
        return {}
    return fields if isinstance(fields, Mapping) else {}


def prompt_of(fields: Mapping[str, Any], *, warm: bool = False) -> Prompt:
    """The prompt of a request to chat or to complete; an empty one where it has none.

    A prefix warm and the request that goes on from it begin alike: see
    :func:`~ayo_bridge.engines.openai_http.request.warm_body`.
    """
    output = next((most for name in _MOST_TOKENS if isinstance(most := fields.get(name), int)), 0)
    seed = tuple(repr(fields.get(name)) for name in PROMPT_FIELDS if name in fields)
    prompt = fields.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, list) and all(isinstance(each, int) for each in prompt):
        return Prompt(chain_of(seed, tuple(prompt), _IDS), float(len(prompt)), output, warm)
    text = prompt if isinstance(prompt, str) else _rendered(fields.get("messages"))
    return Prompt(chain_of(seed, text), len(text) / CHUNK * CHUNK_TOKENS, output, warm)


def work_of(body: bytes | Mapping[str, Any]) -> Prompt:
    """How long a request to embed or to rerank is: all its texts count, and nothing is written."""
    size = len(body) if isinstance(body, bytes) else len(json.dumps(body, default=repr))
    return Prompt(tokens=size / CHUNK * CHUNK_TOKENS, output=1)


def _rendered(messages: object) -> str:
    """Messages as one text, each of which is open at its end."""
    if not isinstance(messages, Sequence) or isinstance(messages, str):
        return ""
    return "".join(
        f"\x1e{message.get('role')}\n{_content(message)}"
        for message in messages
        if isinstance(message, Mapping)
    )


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    others = {name: value for name, value in message.items() if name != "role"}
    return json.dumps(others, default=repr)


__all__ = ["fields_of", "prompt_of", "work_of"]

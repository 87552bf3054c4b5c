"""Plain clients of the OpenAI SDK: which of their calls ask, and that it is they who do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from inspect import getattr_static
from typing import Any, Final

from ayo_bridge.bindings.openai_sdk import client_differs
from ayo_bridge.lift.asking import Asking
from ayo_bridge.lift.recognise import Recogniser, loaded

_ASKING: Final = frozenset(
    {
        ("chat", "completions", "create"),
        ("chat", "completions", "parse"),
        ("completions", "create"),
        ("embeddings", "create"),
    }
)
_METHODS: Final = frozenset({"create", "parse"})
_RESOURCES: Final = "openai.resources."
_differs: Final = Recogniser(("openai",)).overridden


def asks_by_client(obj: Any, steps: Sequence[str], awaited: bool) -> Asking | None:
    """What ``client.chat.completions.create()`` and its like ask by: that client."""
    if type(obj).__module__.partition(".")[0] != "openai":
        return None
    resource, client = obj, obj
    if type(obj).__module__.startswith(_RESOURCES):
        if len(steps) != 1 or steps[0] not in _METHODS:
            return None
        client = vars(obj).get("_client")
    elif tuple(steps) not in _ASKING:
        return None
    asynchronous = type(client) is loaded("openai", "AsyncOpenAI")
    if client_differs(client) is not None or (asynchronous and not awaited):
        return None
    for name in steps[:-1]:
        made = getattr_static(type(resource), name, None)
        if not (isinstance(made, cached_property) and made.func.__module__.startswith("openai.")):
            return None
        resource = getattr(resource, name)  # Made when it is first read, and kept then.
    if resource is client or vars(resource).get("_client") is not client:
        return None
    plain = type(resource).__module__.startswith(_RESOURCES)
    if not plain or _differs(resource, steps[-1]) is not None:
        return None
    return Asking((client,), True)

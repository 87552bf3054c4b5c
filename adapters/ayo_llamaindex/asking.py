"""What a call that a user's function makes of a LlamaIndex object asks by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ayo_bridge.learn.live.clients import OTHERS
from ayo_bridge.lift.asking import Asking, stands_for
from ayo_bridge.lift.recognise import class_of
from ayo_llamaindex.always_used import always_used

_METHODS: Final = ("complete", "chat", "predict", "query", "retrieve", "synthesize")
"""Those that ask when they are called; the asynchronous ones ask when they are awaited."""


def asks_by(obj: Any, steps: Sequence[str], awaited: bool) -> Asking | None:
    """What ``llm.complete()``, ``retriever.retrieve()`` and ``engine.query()`` ask by."""
    module = (stands_for(obj) or class_of(obj)).__module__
    if len(steps) != 1 or not module.startswith("llama_index."):
        return None
    (name,) = steps
    if name not in _METHODS and not (awaited and name[:1] == "a" and name[1:] in _METHODS):
        return None
    owners = [each for each in always_used(obj) if each is not OTHERS]
    if not owners:
        return None
    return Asking(owners, module.startswith("llama_index.llms."))

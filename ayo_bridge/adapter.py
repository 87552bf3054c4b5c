"""The installed adapters, found by the entry-point group ``ayo_bridge.adapters``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, Final

from ayo_bridge.learn.certain.sdk import asks_by_client
from ayo_bridge.lift.adapter import Accelerator
from ayo_bridge.lift.asking import ABSENT, Asking, Given, Known, Making

GROUP = "ayo_bridge.adapters"


@lru_cache(maxsize=1)
def adapters() -> tuple[Accelerator, ...]:
    """All installed adapters, in order of their names."""
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return tuple(entry.load() for entry in found)


def asks(obj: Any, steps: Sequence[str], awaited: bool, /) -> Asking | None:
    """What calling ``obj.<steps>()`` asks by, as the SDK's clients or an adapter know it."""
    by_client = asks_by_client(obj, steps, awaited)
    if by_client is not None:
        return by_client
    for adapter in adapters():
        if (asking := adapter.asks(obj, steps, awaited)) is not None:
            return asking
    return None


def makes(obj: Any, steps: Sequence[str], given: Given, /) -> Making | None:
    """What calling ``obj.<steps>()`` with what it is given comes to, as an adapter knows it."""
    for adapter in adapters():
        if (making := adapter.makes(obj, steps, given)) is not None:
            return making
    return None


def reads(obj: Any, name: str, /) -> Any:
    """What a property of a framework's object gives, as its adapter knows it."""
    known = (adapter.reads(obj, name) for adapter in adapters())
    return next((each for each in known if each is not ABSENT), ABSENT)


KNOWN: Final = Known(asks, makes, reads)
"""What the installed adapters know."""

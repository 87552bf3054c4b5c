"""The installed adapters, found by the entry-point group ``ayo_bridge.adapters``."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points

from ayo_bridge.lift.adapter import Accelerator

GROUP = "ayo_bridge.adapters"


@lru_cache(maxsize=1)
def adapters() -> tuple[Accelerator, ...]:
    """All installed adapters, in order of their names."""
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return tuple(entry.load() for entry in found)

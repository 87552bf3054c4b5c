"""What a framework adapter offers the core.

Adapters are found by the entry-point group ``ayo_bridge.adapters``.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ayo_bridge.runtime import Runtime

GROUP = "ayo_bridge.adapters"


class Adapter(Protocol):
    """Lifts the objects of one framework."""

    name: str

    def accepts(self, obj: object) -> bool:
        """Whether ``obj`` belongs to the framework and can be accelerated. Cheap, imports nothing
        when the framework is not loaded."""

    def accelerate(self, obj: object, runtime: Runtime) -> object:
        """Return an object of the same type whose calls run ahead."""


@lru_cache(maxsize=1)
def adapters() -> tuple[Adapter, ...]:
    """All installed adapters, in order of their names."""
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return tuple(entry.load() for entry in found)

"""What the lifting of one object shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ayo_bridge.runahead import AcceleratedState
from ayo_bridge.runahead.home import Home

T = TypeVar("T")


class Parts:
    """Lifts the parts of an object: each once, in however many places it stands."""

    def __init__(self, state: AcceleratedState) -> None:
        self.runtime = state.runtime
        self.expected = state.expected
        """How many items its parts made last, by their ids."""
        self._known: dict[tuple[object, int], Any] = {}

    def once(self, lift: Callable[[Any, Home], T], obj: Any) -> T:
        """``lift(obj, runtime)``, remembered."""
        key = (lift, id(obj))
        if key not in self._known:
            self._known[key] = lift(obj, self.runtime)
        found: T = self._known[key]
        return found

"""What the lifting of one call shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ayo_bridge.runahead.home import Home

T = TypeVar("T")


class Lifter:
    """Lifts the parts of one call: each object once, in however many places it stands."""

    def __init__(self, runtime: Home, expected: dict[int, int], *, sync: bool) -> None:
        self.runtime = runtime
        self.expected = expected
        """How many queries each multi-query retriever generated last, by its id."""
        self.sync = sync
        self._known: dict[tuple[object, int], Any] = {}

    def once(self, lift: Callable[[Any, Home], T], obj: Any) -> T:
        """``lift(obj, runtime)``, remembered."""
        key = (lift, id(obj))
        if key not in self._known:
            self._known[key] = lift(obj, self.runtime)
        found: T = self._known[key]
        return found

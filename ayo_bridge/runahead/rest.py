"""Calls that are let through unseen, once many have shown that there is nothing to do in them."""

from __future__ import annotations

import asyncio
import threading
from typing import Final

ENOUGH: Final = 32
"""So many calls in a row in which nothing was done end in a rest."""
FIRST: Final = 16
LONGEST: Final = 256
"""Calls of a rest: the first, doubled with each that finds nothing after it, up to the longest."""


class Rest:
    """Says which calls are to be seen. Never waits; threads may lose a count of each other's.

    Where models of this process are asked, calls of several callers may share a batch: then only
    those of one and the same caller are let through.
    """

    __slots__ = ("_caller", "_left", "_length", "_useless", "models", "unseen", "watched")

    def __init__(self) -> None:
        self._left = 0
        self._length = FIRST
        self._useless = 0
        self._caller = 0
        self.models = False
        """Whether models of this process are asked."""
        self.watched = False
        """Whether every call is to be seen: somebody wants spans of it, or something is done for it
        all the same (its rows are copied)."""
        self.unseen = 0
        """Calls so far that were let through."""

    @property
    def may_share(self) -> bool:
        """Whether the call that begins now may share a batch with one of another caller."""
        if not self.models:
            return False
        before, self._caller = self._caller, _caller()
        return before != self._caller

    @property
    def resting(self) -> bool:
        """Whether most calls are let through."""
        return self._useless >= ENOUGH

    def lets_through(self) -> bool:
        """Whether the call that begins now is to run unseen; counts it then."""
        if not self._left or self.watched or self.may_share:
            return False
        self._left -= 1
        self.unseen += 1
        return True

    def heard(self, *, useful: bool) -> None:
        """A call that was seen has ended; ``useful`` if anything was done for it."""
        if useful:
            self._useless, self._left, self._length = 0, 0, FIRST
            return
        self._useless += 1
        if self._useless >= ENOUGH and not self._left:
            self._left = self._length
            self._length = min(LONGEST, 2 * self._length)


def _caller() -> int:
    """The task, or else the thread, that runs this."""
    if asyncio._get_running_loop() is None:
        return threading.get_ident()
    return id(asyncio.current_task())

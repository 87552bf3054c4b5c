"""When a vector store was last written to: results found before a write are not given out after."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.seam import new_lock

_moments = itertools.count()
_clocks: dict[Hashable, WriteClock] = {}


class BeingWrittenError(AyoBridgeError):
    """A store is being written to at this moment: nobody else may read it."""


class WriteClock:
    """Counts the writes to one table or one in-memory store. Thread-safe.

    Sees the writes of this process that go through the store's methods. A search made ahead runs at
    some moment within its query's own run, so a write of another process falls before or after it,
    as it might have in the original.
    """

    def __init__(self) -> None:
        self._lock = new_lock()
        self._writes = 0
        self._open = 0
        self._reading: set[threading.Event] = set()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Mark a write from its beginning to its end, whatever its outcome.

        Begins once nobody is :meth:`reading` any more.
        """
        with self._lock:
            self._open += 1
            self._writes += 1
            reading = tuple(self._reading)
        try:
            for read in reading:
                read.wait()
            yield
        finally:
            with self._lock:
                self._open -= 1
                self._writes += 1

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Mark a read of work ahead that no write may overlap: it is short, and writes wait for it.

        Raises:
            BeingWrittenError: a write is going on.
        """
        read = threading.Event()
        with self._lock:
            if self._open:
                raise BeingWrittenError("the store is being written to")
            self._reading.add(read)
        try:
            yield
        finally:
            with self._lock:
                self._reading.discard(read)
            read.set()

    def forget_readers(self) -> None:
        """Nobody reads any more: the threads that did are not in this process."""
        self._reading.clear()

    def moment(self) -> Hashable:
        """Equal moments have no write between them; a moment during a write equals no other."""
        with self._lock:
            return ("during", next(_moments)) if self._open else self._writes


def clock_of(identity: Hashable) -> WriteClock:
    """The clock of a store, made when it is asked for first."""
    return _clocks.setdefault(identity, WriteClock())


def known_clock(identity: Hashable) -> WriteClock | None:
    """The clock of a store if anybody has asked for it: otherwise no result depends on it."""
    return _clocks.get(identity)


def _after_fork() -> None:
    for clock in list(_clocks.values()):
        clock.forget_readers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

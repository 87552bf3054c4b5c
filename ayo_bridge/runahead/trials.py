"""How much more helps at a server, found within one long call.

Whole queries cannot be compared where there is only one: an ingestion asks for hours. Its calls are
so many that parts of them can: some go by the whole limit, some by half of it, and what is compared
is the time that the server takes for a call while so much is in flight. By Little's law that is
the latency of a call over the calls in flight: a server that has room answers as fast as before,
and one that has none makes each wait the longer.

A call may be over before a trial of it is, as a short ingestion is: what the trial has seen by then
counts, so that many short calls teach as much as a long one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from ayo_bridge.schedule import ServerLoad

LEAST: Final = 4
"""Calls of a trial, at least."""
SETTLED: Final = 8
"""After so many trials at one limit they become rare."""
RARE: Final = 16
"""One trial in so many is then compared: the others go by the whole limit."""


@dataclass(slots=True)
class _Trial:
    """Some calls that go by one share of the limit."""

    share: float
    limit: int
    size: int
    compared: bool
    skipped: int
    """At first so many do not count: what was in flight before weighs on them."""
    sent: int = 0
    ended: int = 0
    seconds: float = 0.0


class Trials:
    """The trials of one call at one server. Thread-safe.

    Args:
        load: of the server.
        kind: of the calls, whose answers are of one kind, so that they can be compared.
        clock: seconds.
        caller: for whom they are made.
    """

    def __init__(
        self,
        load: ServerLoad,
        kind: Hashable,
        clock: Callable[[], float],
        caller: Hashable = None,
    ) -> None:
        self._load = load
        self._caller = caller
        self._kind = kind, "part"
        self._clock = clock
        self._lock = threading.Lock()
        self._limit = self._at_limit = 0
        self._closed = False
        self._trial = self._next(skips=False)

    def share(self) -> float:
        """The share of the limit by which calls go now."""
        return self._trial.share

    def sent(self, *, waited: bool = False) -> Callable[[], None]:
        """A call is sent; what is returned is called when its answer has come.

        Where none has ``waited`` to be sent, the limit is not what bounds the calls in flight.
        """
        if not (waited or self._load.held):
            return _unheard
        with self._lock:
            trial = self._trial
            trial.sent += 1
            if not trial.skipped < trial.sent <= trial.skipped + trial.size:
                return _unheard  # For the last the share holds until all that count have ended.
        began, before = self._clock(), self._load.in_flight

        def ended() -> None:
            among = max(1.0, (before + self._load.in_flight) / 2)
            with self._lock:
                if self._closed:
                    return
                trial.seconds += (self._clock() - began) / among
                trial.ended += 1
                over = trial.ended == trial.size
                if over:
                    self._trial = self._next(skips=True)
            if over:
                self._learn(trial)

        return ended

    def close(self) -> None:
        """The call is over; calls that end from now on may have been cancelled."""
        with self._lock:
            closed, self._closed = self._closed, True
            trial = self._trial
        if not closed and trial.ended >= LEAST:
            self._learn(trial)

    def _learn(self, trial: _Trial) -> None:
        if trial.compared and self._load.allowed(1.0, self._caller) == trial.limit:
            told, caller = (trial.share, trial.seconds, trial.ended), self._caller
            self._load.learn(self._kind, *told, held=True, caller=caller)

    def _next(self, *, skips: bool) -> _Trial:
        limit = self._load.allowed(1.0, self._caller)
        if limit != self._limit:
            self._limit, self._at_limit = limit, 0
        self._at_limit += 1
        compared = self._at_limit <= SETTLED or self._at_limit % RARE == 0
        # With nothing ahead there would be nothing to go on with.
        share = max(0.5, self._load.draw(self._kind)) if compared else 1.0
        size = max(LEAST, self._load.allowed(share, self._caller))
        return _Trial(share, limit, size, compared, size if skips else 0)


def _unheard() -> None:
    """A call that says nothing of the limit has ended."""

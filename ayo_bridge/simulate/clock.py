"""Event loops with an exact clock: on one sleeping takes no time, the other keeps pace."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Never blocks; tells the loop how long it would have."""

    def __init__(self, clock: VirtualClockLoop) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; with nothing ready, let virtual time pass instead.

        Raises:
            RuntimeError: nothing is ready and no timer is set, so nothing could ever happen.
        """
        events = super().select(0)
        if not events and timeout is None:
            raise RuntimeError("virtual time stands still: every task waits, and for no timer")
        if not events and timeout:
            self._clock.advance(timeout)
        return events


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """``loop.time()`` starts at 0 s and jumps to the next timer when no task can run.

    For single-threaded use: other threads would have to wait in real time.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let virtual time pass."""
        self._now += seconds


class _PacedSelector(selectors.DefaultSelector):
    """Waits in real time and tells the loop how much of its own has passed."""

    def __init__(self, clock: PacedClockLoop) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events until the next timer is due; the clock stops there, however late it is.

        With something to run at once (``timeout`` 0) no time passes.
        """
        if timeout is None or timeout <= 0:
            events = super().select(timeout)
        else:
            events = super().select(self._clock.real_seconds_to(self._clock.time() + timeout))
        self._clock.catch_up(timeout)
        return events


class PacedClockLoop(asyncio.SelectorEventLoop):
    """``loop.time()`` starts at 0 s and keeps pace with the real clock, ``speed`` times as fast.

    A timer that is due runs at the very time it was set for, even where this process was held up:
    the clock then goes from timer to timer until it has caught up. So what many timers make in a
    row, each set from the last, is late by what the last one is late by, and no more.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._now = 0.0
        self._origin = time.monotonic()
        super().__init__(_PacedSelector(self))

    def time(self) -> float:
        """Seconds of this clock since the loop was made; never ahead of the real one."""
        return self._now

    def real_seconds_to(self, when: float) -> float:
        """How long the real clock takes to a time of this one; 0 for what it has passed."""
        return max(self._origin + when / self._speed - time.monotonic(), 0.0)

    def late(self) -> float:
        """Real seconds by which this clock is behind, while timers that are due wait to be run."""
        return max(time.monotonic() - self._origin - self._now / self._speed, 0.0)

    def catch_up(self, most: float | None) -> None:
        """Follow the real clock, by so many seconds at most."""
        real = (time.monotonic() - self._origin) * self._speed
        self._now = max(self._now, real if most is None else min(self._now + most, real))


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a virtual clock, as :func:`asyncio.run` does on a real one."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(main)

"""An event loop on a virtual clock: sleeping takes no time, and time is exact."""

from __future__ import annotations

import asyncio
import selectors
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


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a virtual clock, as :func:`asyncio.run` does on a real one."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(main)

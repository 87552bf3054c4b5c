"""Where simulated engines run: on the virtual loop, behind a connection that takes its time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import cast

from ayo_bridge.schedule import EngineScheduler, Policy, policy_for
from ayo_bridge.schedule.request import Abortable, Done
from ayo_bridge.seam import Call, Engine
from ayo_bridge.simulate.serving import Abort, SimulatedEngine, nothing_to_abort


class VirtualPlacement:
    """Runs simulated engines on the running loop; a placement of the real engine scheduler.

    ``delay`` is the seconds that a batch takes to its engine, and its results back. Nothing
    overtakes on the way.
    """

    def __init__(self, delay: float = 0.0) -> None:
        self._there = _Line(delay)
        self._back = _Line(delay)

    def start(
        self, engine: Engine, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        """Start a batch; aborting reaches the engine at once."""
        batch = _Batch(cast(SimulatedEngine, engine), calls, done, self._back)
        abortable(batch.abort)
        self._there.send(batch.arrive)


class _Line:
    """Delivers in the order of sending; a loop's timers of one moment have no order."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._sent: deque[Callable[[], None]] = deque()

    def send(self, deliver: Callable[[], None]) -> None:
        if self._delay <= 0:
            deliver()
            return
        self._sent.append(deliver)
        loop = asyncio.get_running_loop()
        loop.call_later(self._delay, lambda: self._sent.popleft()())


class _Batch:
    """Calls on their way: to the engine, in the engine, or back."""

    def __init__(
        self, engine: SimulatedEngine, calls: Sequence[Call], done: Done, back: _Line
    ) -> None:
        self._engine = engine
        self._calls = calls
        self._done = done
        self._back = back
        self._abort: Abort | None = None
        self._aborted = False

    def arrive(self) -> None:
        if not self._aborted:
            self._abort = self._engine.start(self._calls, self._return)

    def _return(self, results: Sequence[object]) -> None:
        self._abort = nothing_to_abort  # What aborts it there keeps this.
        self._back.send(lambda: self._done(results))

    def abort(self) -> None:
        if self._abort is not None:
            self._abort()
        elif not self._aborted:
            self._aborted = True
            self._done([CancelledError() for _ in self._calls])


def virtual_scheduler(
    engine: SimulatedEngine, policy: str | Policy | None = None, *, delay: float = 0.0
) -> EngineScheduler:
    """The engine scheduler of a simulated engine, on the clock of the running loop.

    ``policy`` is a name in :data:`~ayo_bridge.schedule.POLICIES` or a function.
    """
    return EngineScheduler(
        cast(Engine, engine),
        policy_for(engine.kind, policy),
        VirtualPlacement(delay),
        asyncio.get_running_loop().time,
    )

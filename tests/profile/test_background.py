"""Background measurement, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from ayo_bridge.profile import Curve, measure_when_idle
from ayo_bridge.profile.background import IDLE_SECONDS
from ayo_bridge.simulate import VirtualClockLoop

_T = TypeVar("_T")


@dataclass
class Engine:
    """Idle since the given moments, one after another, and sometimes taken at the last moment."""

    loop: asyncio.AbstractEventLoop
    busy_until: float = 0.0
    refusals: int = 0
    ran_at: list[float] = field(default_factory=list)

    def idle_seconds(self) -> float:
        return max(0.0, self.loop.time() - self.busy_until)

    def run_if_idle(self, run: Callable[[], float | None]) -> tuple[bool, float | None]:
        if self.refusals:
            self.refusals -= 1
            self.busy_until = self.loop.time() + 1.0
            return False, None
        self.ran_at.append(self.loop.time())
        return True, run()


class _OneThread(VirtualClockLoop):
    """Batches run in the loop's own thread, so that virtual time does not wait for another."""

    def run_in_executor(  # type: ignore[override]  # No arguments for the call, here.
        self, executor: object, func: Callable[[], _T]
    ) -> asyncio.Future[_T]:
        future: asyncio.Future[_T] = self.create_future()
        future.set_result(func())
        return future


def measured(run: Callable[[int], float | None], **engine: float) -> tuple[Curve | None, Engine]:
    loop = _OneThread()
    try:
        target = Engine(loop, **engine)  # type: ignore[arg-type]
        return loop.run_until_complete(measure_when_idle(target, run)), target
    finally:
        loop.close()


def test_sizes_double_until_throughput_stops_rising() -> None:
    curve, _ = measured(lambda size: 0.01 if size <= 8 else 0.01 * size / 8)
    assert curve is not None
    assert [size for size, _ in curve.points] == [1, 2, 4, 8, 16]


def test_nothing_runs_before_the_engine_has_been_idle_for_a_while() -> None:
    _, engine = measured(lambda size: 0.3, busy_until=5.0)
    assert engine.ran_at[0] == 5.0 + IDLE_SECONDS


def test_it_steps_back_when_somebody_comes() -> None:
    _, engine = measured(lambda size: 0.3, refusals=1)
    assert engine.ran_at[0] == IDLE_SECONDS + 1.0 + IDLE_SECONDS


def test_no_batch_is_tried_after_one_that_takes_long() -> None:
    curve, _ = measured(lambda size: 0.2 if size == 1 else 0.26)
    assert curve is not None
    assert [size for size, _ in curve.points] == [1, 2]


def test_it_ends_when_the_model_is_gone() -> None:
    curve, _ = measured(lambda size: None)
    assert curve is None

"""Measuring engines in the background, on first use, without getting in anybody's way."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final, Protocol

from ayo_bridge.profile.curve import Curve, max_efficient_batch

IDLE_SECONDS: Final = 2.0
"""An engine is measured only after it has had nothing to do for so long."""
LONGEST_BATCH: Final = 0.25
"""Seconds: a larger batch is not tried, since a query that came meanwhile would wait for it."""
REPEATS: Final = 3


class Measured(Protocol):
    """What is measured: an engine behind its scheduler."""

    def idle_seconds(self) -> float:
        """How long the engine has had nothing to do; 0 while it has."""

    def run_if_idle(self, run: Callable[[], float | None]) -> tuple[bool, float | None]:
        """Run in this thread with the engine taken, or return ``(False, None)`` if it is busy."""


async def measure_when_idle(
    engine: Measured,
    run: Callable[[int], float | None],
    *,
    limit: int = 256,
    min_gain: float = 0.05,
) -> Curve | None:
    """Measure batches of doubling size, one at a time, whenever the engine is idle.

    ``run(size)`` runs one batch and returns its seconds, or ``None`` when there is nothing left to
    measure (then so is the result). Sizes are doubled until one gains less than ``min_gain`` in
    throughput, takes longer than :data:`LONGEST_BATCH`, or passes ``limit``.

    What libraries keep for a thread grows with the largest batch: the thread ends with measuring.
    """
    pool = ThreadPoolExecutor(1, "ayo-bridge measuring")
    try:
        return await _measured(engine, run, pool, limit, min_gain)
    finally:
        pool.shutdown(wait=False)


async def _measured(
    engine: Measured,
    run: Callable[[int], float | None],
    pool: Executor,
    limit: int,
    min_gain: float,
) -> Curve | None:
    points: list[tuple[int, float]] = []
    size = 1
    while size <= limit:
        times: list[float] = []
        while len(times) <= REPEATS:
            seconds = await _when_idle(engine, run, size, pool)
            if seconds is None:
                return None
            times.append(seconds)
        points.append((size, statistics.median(times[1:])))  # the first one warms up
        if max_efficient_batch(points, min_gain) is not None or times[-1] > LONGEST_BATCH:
            break
        size *= 2
    return Curve.of(points)


async def _when_idle(
    engine: Measured, run: Callable[[int], float | None], size: int, pool: Executor
) -> float | None:
    loop = asyncio.get_running_loop()
    while True:
        idle = engine.idle_seconds()
        if idle < IDLE_SECONDS:
            await asyncio.sleep(IDLE_SECONDS - idle)
            continue
        ran, seconds = await loop.run_in_executor(
            pool, lambda: engine.run_if_idle(lambda: run(size))
        )
        if ran:
            return seconds

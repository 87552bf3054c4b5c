"""Measuring an engine: batches of doubling size until throughput stops rising."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from ayo_bridge.profile.curve import Curve, max_efficient_batch


def measure_batches(
    run: Callable[[int], float],
    limit: int = 512,
    *,
    repeats: int = 5,
    min_gain: float = 0.05,
) -> Curve:
    """Drive ``run(size)``, which runs one batch and returns its seconds, and return the curve.

    Each size runs once to warm up and then ``repeats`` times; the median counts. Sizes are doubled
    until one gains less than ``min_gain`` in throughput (it is kept: it shows b*) or passes
    ``limit``.
    """
    points: list[tuple[int, float]] = []
    size = 1
    while size <= limit:
        run(size)
        points.append((size, statistics.median(run(size) for _ in range(repeats))))
        if max_efficient_batch(points, min_gain) is not None:
            break
        size *= 2
    return Curve.of(points)

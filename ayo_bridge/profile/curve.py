"""Latency curves: seconds by batch size."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Point = tuple[int, float]

FURTHER_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Curve:
    """Measured points ``(size, seconds)``, in rising order of size.

    Invariants: at least one point; sizes are positive and unique; seconds are not negative.
    """

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        sizes = [size for size, _ in self.points]
        if not sizes:
            raise ValueError("a curve needs at least one point")
        if sizes[0] < 1 or any(a >= b for a, b in itertools.pairwise(sizes)):
            raise ValueError(f"sizes of a curve must be positive and rising: {sizes}")
        if any(seconds < 0 for _, seconds in self.points):
            raise ValueError("seconds of a curve must not be negative")

    @classmethod
    def of(cls, points: Iterable[Point]) -> Curve:
        """Build a curve of points in any order; of points with one size the last counts."""
        return cls(tuple(sorted(dict(points).items())))

    def seconds(self, size: int) -> float:
        """Interpolate between points; beyond the ends follow the nearest two, never below zero.

        With a single point nothing is known of batching: a smaller size is taken to cost the same,
        and each further share of a larger one :data:`FURTHER_SHARE` as much. That is near MiniLM on
        one core (1 text 10.8 ms, 4 17.5 ms, 32 78 ms), and errs on the side of batching less than
        a GPU would bear.
        """
        points = self.points
        if len(points) == 1:
            known, seconds = points[0]
            return seconds * (1.0 + FURTHER_SHARE * max(size / known - 1.0, 0.0))
        i = bisect.bisect_left(points, (size,))
        if i < len(points) and points[i][0] == size:
            return points[i][1]
        i = min(max(i, 1), len(points) - 1)
        (low, before), (high, after) = points[i - 1], points[i]
        slope = (after - before) / (high - low)
        if size > high:
            slope = max(slope, 0.0)
            return after + slope * (size - high)
        return max(before + slope * (size - low), 0.0)


def max_efficient_batch(points: Iterable[Point], min_gain: float = 0.05) -> int | None:
    """Return b*, the batch size beyond which throughput gains less than ``min_gain`` a step.

    The points are meant to be powers of two (paper: sizes are doubled until throughput stops
    rising). ``None`` if throughput was still rising at the last point: b* is larger than measured.
    """
    best: int | None = None
    throughput = 0.0
    for size, seconds in sorted(points):
        if best is not None and size < throughput * seconds * (1 + min_gain):
            return best
        best, throughput = size, size / max(seconds, 1e-9)
    return None

"""Intervals in lanes: where bars that overlap in time go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Interval = tuple[float, float]


def pack(intervals: Sequence[Interval]) -> list[int]:
    """A lane for each interval, so that none overlap in a lane and the fewest lanes are used."""
    ends: list[float] = []
    lanes = [0] * len(intervals)
    for index in sorted(range(len(intervals)), key=lambda i: (intervals[i][0], -intervals[i][1])):
        start, end = intervals[index]
        lane = next((i for i, free_at in enumerate(ends) if free_at <= start), len(ends))
        ends[lane : lane + 1] = [end]
        lanes[index] = lane
    return lanes


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The times that any of the intervals covers."""
    covered: list[Interval] = []
    for start, end in sorted(intervals):
        if covered and start <= covered[-1][1]:
            covered[-1] = (covered[-1][0], max(covered[-1][1], end))
        elif end > start:
            covered.append((start, end))
    return covered

"""Percentiles, ratios of pairs, and how far they can be trusted.

Intervals are of a bootstrap in two steps: rounds are drawn with replacement, then values within
each. So what differs from round to round (a busy machine) widens them as much as what differs from
call to call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

DRAWS: Final = 1000
_TAIL: Final = 0.025
"""On each side: the interval holds 95 %."""
_MOST: Final = 400_000
"""Values that are drawn for one interval at most: long runs have fewer draws, down to a fifth."""
Rounds = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, and the ends of its 95 % interval; ``None``: too little was measured for one."""

    value: float
    low: float | None = None
    high: float | None = None


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share (0 to 1) of the values is, interpolated between neighbours."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


def median(values: Sequence[float]) -> float:
    """The value in the middle."""
    return percentile(values, 0.5)


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return sum(values) / len(values)


def interval(
    rounds: Rounds, of: Callable[[Sequence[float]], float], chance: Random
) -> Figure | None:
    """A statistic of all values, with its interval; ``None``: there are no values."""
    kept = [values for values in rounds if values]
    every = [value for values in kept for value in values]
    if not every:
        return None
    if len(every) < 3:
        return Figure(of(every))
    draws = max(DRAWS // 5, min(DRAWS, _MOST // len(every)))
    drawn = sorted(of(_drawn(kept, chance)) for _ in range(draws))
    return Figure(of(every), percentile(drawn, _TAIL), percentile(drawn, 1 - _TAIL))


def _drawn(rounds: Rounds, chance: Random) -> list[float]:
    values: list[float] = []
    for chosen in chance.choices(rounds, k=len(rounds)):
        values += chance.choices(chosen, k=len(chosen))
    return values


LEAST: Final = {0.5: 1, 0.95: 20, 0.99: 100}
"""So many calls are needed before a percentile is more than the slowest of them."""


def percentiles(rounds: Rounds, chance: Random) -> dict[str, Figure]:
    """p50, p95 and p99: those that there are enough values for."""
    number = sum(map(len, rounds))
    found = {
        f"p{share * 100:g}": interval(rounds, _at(share), chance)
        for share, least in LEAST.items()
        if number >= least
    }
    return {name: figure for name, figure in found.items() if figure is not None}


def _at(share: float) -> Callable[[Sequence[float]], float]:
    return lambda values: percentile(values, share)


__all__ = ["DRAWS", "LEAST", "Figure", "Rounds", "interval", "mean", "median", "percentiles"]

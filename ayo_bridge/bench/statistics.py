"""Percentiles, ratios of pairs, and how far they can be trusted.

Intervals are of a bootstrap in two steps: turns are drawn with replacement, then values within
each. So what differs from turn to turn (a busy machine) widens them as much as what differs from
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
Statistic = Callable[[Sequence[float]], float]
"""Of values in their order."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, and the ends of its 95 % interval; ``None``: too little was measured for one."""

    value: float
    low: float | None = None
    high: float | None = None


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share (0 to 1) of the values is, interpolated between neighbours."""
    return _below(sorted(values), share)


def _below(ordered: Sequence[float], share: float) -> float:
    at = share * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


def median(ordered: Sequence[float]) -> float:
    """The value in the middle of values in their order."""
    return _below(ordered, 0.5)


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return sum(values) / len(values)


def interval(rounds: Rounds, of: Statistic, chance: Random) -> Figure | None:
    """A statistic of all values, with its interval; ``None``: there are no values."""
    found = _intervals(rounds, [of], chance)
    return found[0] if found else None


def _intervals(rounds: Rounds, of: Sequence[Statistic], chance: Random) -> list[Figure]:
    """Statistics of the same values, and of the same draws."""
    kept = [values for values in rounds if values]
    every = sorted(value for values in kept for value in values)
    if not every:
        return []
    values = [each(every) for each in of]
    if len(every) < 3:
        return [Figure(value) for value in values]
    draws = max(DRAWS // 5, min(DRAWS, _MOST // len(every)))
    drawn = [_drawn(kept, chance) for _ in range(draws)]
    ends = [sorted(map(each, drawn)) for each in of]
    return [
        Figure(value, _below(found, _TAIL), _below(found, 1 - _TAIL))
        for value, found in zip(values, ends, strict=True)
    ]


def _drawn(rounds: Rounds, chance: Random) -> list[float]:
    values: list[float] = []
    for chosen in chance.choices(rounds, k=len(rounds)):
        values += chance.choices(chosen, k=len(chosen))
    values.sort()
    return values


LEAST: Final = {0.5: 1, 0.95: 20, 0.99: 100}
"""So many calls are needed before a percentile is more than the slowest of them."""


def percentiles(rounds: Rounds, chance: Random) -> dict[str, Figure]:
    """p50, p95 and p99: those that there are enough values for."""
    number = sum(map(len, rounds))
    shares = [share for share, least in LEAST.items() if number >= least]
    found = _intervals(rounds, [_at(share) for share in shares], chance)
    return {f"p{share * 100:g}": figure for share, figure in zip(shares, found, strict=False)}


def _at(share: float) -> Statistic:
    return lambda ordered: _below(ordered, share)


__all__ = ["DRAWS", "LEAST", "Figure", "Rounds", "interval", "mean", "median", "percentiles"]

"""Work ahead where queries of several kinds share a server: judged over all of them, by turns.

On a server that is full, what goes ahead of one query stands before another's only call. Those who
gain by it cannot show that: who pays are the others. So all queries go by the same rule for a
while: in a *full* turn as much runs ahead as the limit allows, in a *plain* turn each query has one
call at the server at a time, as its original has. A query's time, as far as it depends on the share
of it that was full, is what work ahead costs or brings its kind.

The share of turns that are full follows from the kind that loses most: what it loses by full turns,
times their share, is to be no more than :data:`TOLERATED`. The share is a continuous function of
slowly changing estimates, so it does not swing; and an estimate counts for as much as its samples
are worth, beside what was expected before.

All decisions are pure: state and the time go in, a decision comes out.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

TOLERATED: Final = 0.025
"""What work ahead may cost a kind of query, over all turns; of the logarithm of its time. It is to
stay below 3 %, and estimates are drawn to what is expected while they are new."""
EXPECTED: Final = 0.4
"""What full turns are taken to cost a kind of which nothing is known, of the same logarithm: one
turn in sixteen is full at first. On servers that are full they cost from 0.05, on a large GPU, to
0.8, on a CPU core with eight users."""
UNSURE: Final = 0.8
"""Standard deviation of that expectation."""
NOISE: Final = 0.3
"""Standard deviation of the logarithm of a kind's times, until its own is known."""
LEAST: Final = 1 / 32
MOST: Final = 31 / 32
"""The share of full turns lies between these: a few of the others show whether things change."""
TURN: Final = 1.0
"""The length of a turn in those of a query: in short ones it is soon seen what they cost."""
BETWEEN: Final = 0.1
"""How long a query may need from one of its calls to the next, in lengths of a query."""
FIRST: Final = 2.0
"""Seconds that a query is taken to need until one has ended."""
LONGEST: Final = 60.0
"""Seconds of a turn at most."""
KEPT: Final = 0.995
"""What an older query of a kind counts beside the next one."""
LASTING: Final = 4
"""Turns after which kinds that have not met any more are taken to be alone."""
_KINDS: Final = 256
_SWITCHES: Final = 256
_FARTHEST: Final = 1.0
"""No time counts as farther from the others of its kind: one of a thousand may have stalled."""
_ENOUGH: Final = 4
"""So many samples are as much worth as what is assumed of the noise."""


@dataclass(slots=True)
class _Kind:
    """Of queries of one kind: sums over the share of full turns x and the logarithm of time y."""

    count: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0

    def add(self, x: float, y: float) -> None:
        if self.count:
            mean = self.y / self.count
            y = max(mean - _FARTHEST, min(mean + _FARTHEST, y))
        self.count = KEPT * self.count + 1
        self.x = KEPT * self.x + x
        self.y = KEPT * self.y + y
        self.xx = KEPT * self.xx + x * x
        self.xy = KEPT * self.xy + x * y
        self.yy = KEPT * self.yy + y * y

    def cost(self) -> float:
        """What full turns cost: a slope, drawn towards what was expected."""
        if not self.count:
            return EXPECTED
        spread = self.xx - self.x * self.x / self.count
        along = self.xy - self.x * self.y / self.count
        if spread <= 1e-9:
            return EXPECTED
        slope = along / spread
        left = max(0.0, self.yy - self.y * self.y / self.count - slope * along)
        # Few samples may lie on a line by chance.
        noise = (left + _ENOUGH * NOISE**2) / (self.count + _ENOUGH)
        weight = UNSURE**2 * spread / noise
        return (weight * slope + EXPECTED) / (weight + 1)


@dataclass(slots=True)
class Turns:
    """The turns of one server. Not thread-safe."""

    _kinds: OrderedDict[Hashable, _Kind] = field(default_factory=OrderedDict)
    _query: float | None = None
    """Seconds of a query, about."""
    _met: float = -math.inf
    _until: float = -math.inf
    _full: bool = True
    _due: float = 0.0
    """Full turns that are owed."""
    _times: list[float] = field(default_factory=list)
    """When turns of the other sort began,"""
    _before: list[float] = field(default_factory=list)
    """the seconds in full turns until then,"""
    _was: list[bool] = field(default_factory=list)
    """and whether they are full."""

    def met(self, now: float) -> None:
        """Queries of different kinds are at the server at once."""
        self._met = now

    def full(self, now: float) -> bool:
        """Whether this turn is full."""
        if not self._together(now):
            self._switch(now, full=True)
            self._until = -math.inf
        elif now >= self._until:
            self._due += self.share
            full = self._due >= 1
            self._due -= full
            self._switch(now, full=full)
            self._until = now + self._length
        return self._full

    def describe(self, now: float) -> str:
        """For people; empty where queries of one kind have the server for themselves."""
        if not self._together(now):
            return ""
        return f"{self.share:.0%} of the time, as queries of other kinds share the server"

    @property
    def between(self) -> float:
        """Seconds after the end of a query's call for which it is still taken to be there."""
        return BETWEEN * (FIRST if self._query is None else self._query)

    @property
    def _length(self) -> float:
        return min(LONGEST, TURN * (FIRST if self._query is None else self._query))

    def _together(self, now: float) -> bool:
        return now - self._met <= LASTING * self._length

    @property
    def share(self) -> float:
        """The share of turns that are to be full where kinds meet."""
        worst = max((kind.cost() for kind in self._kinds.values()), default=EXPECTED)
        return max(LEAST, min(MOST, TOLERATED / worst if worst > 0 else MOST))

    def ended(self, kind: Hashable, began: float, ended: float, tokens: Callable[[], int]) -> bool:
        """A query has ended well; returns whether kinds have met lately, so that it tells of them.

        Args:
            kind: only queries of one kind are compared.
            began, ended: seconds.
            tokens: counts those that the server has written for it; 0 where that is not known.
        """
        seconds = ended - began
        if seconds <= 0:
            return False
        before = seconds if self._query is None else self._query
        self._query = before + (seconds - before) / 10
        if not self._together(ended):
            return False
        found = self._kinds.setdefault(kind, _Kind())
        self._kinds.move_to_end(kind)
        if len(self._kinds) > _KINDS:
            self._kinds.popitem(last=False)
        found.add(self.full_share(began, ended), math.log(seconds / max(tokens(), 1)))
        return True

    def full_share(self, began: float, ended: float) -> float:
        """The share of this time that lay in full turns."""
        if ended <= began:
            return 1.0
        return (self._in_full(ended) - self._in_full(began)) / (ended - began)

    def _switch(self, now: float, *, full: bool) -> None:
        if full is self._full:
            return
        before = self._in_full(now)
        self._times.append(now)
        self._before.append(before)
        self._was.append(full)
        self._full = full
        for each in (self._times, self._before, self._was):
            del each[:-_SWITCHES]

    def _in_full(self, now: float) -> float:
        """Seconds in full turns until then, from any fixed time on."""
        at = bisect_right(self._times, now) - 1
        if at < 0:  # Before all turns that are known.
            return now
        since = now - self._times[at] if self._was[at] else 0.0
        return self._before[at] + since


__all__ = ["Turns"]

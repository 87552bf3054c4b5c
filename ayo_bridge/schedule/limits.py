"""How many calls may run ahead at a server: pure decisions over how whole queries ended.

Latency alone cannot tell a server that serves one call at a time from one that batches: both slow
down under load. So arms are held out: one query in four runs ahead at half the limit, and the
seconds an output token of both arms are compared. Times are passed in; nothing here waits, and
callers on several threads take turns.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from statistics import median
from typing import Final

FULL: Final = 1.0
HALF: Final = 0.5
START: Final = 4
MOST: Final = 64
REST_SECONDS: Final = 30.0
LONGEST_REST: Final = 600.0
ENOUGH: Final = 8
"""Queries of both arms after which they are compared, at the latest."""
FASTER, CLEARLY = 0.97, 0.85
KINDS: Final = 32
GOLDEN: Final = (math.sqrt(5) - 1) / 2


@dataclass(slots=True)
class _Arms:
    """Queries of one kind: how many were drawn, and the cost of those that ended, by arm."""

    drawn: int = 0
    full: list[float] = field(default_factory=list)
    half: list[float] = field(default_factory=list)

    @property
    def ended(self) -> int:
        return len(self.full) + len(self.half) if self.full and self.half else 0

    @property
    def ratio(self) -> float:
        """The cost at the limit over that at half of it."""
        return median(self.full) / median(self.half)


def _share(drawn: int) -> float:
    """One in four at half: multiples of the golden ratio, in step with no period of a caller's."""
    return HALF if drawn * GOLDEN % 1 < 1 / 4 else FULL


class AheadLimit:
    """The limit for work ahead at one server, for all its queries together.

    fixed: the user's setting. It is never changed by how queries end; refusals still count.
    start, most: the limit before anything is known, and the highest that is tried.
    """

    def __init__(self, fixed: int | None = None, *, start: int = START, most: int = MOST) -> None:
        self._fixed = fixed
        self._limit = start if fixed is None else fixed
        self._most = most
        self._ceiling: int | None = None
        self._step = 1
        self._rest = 0.0
        self._rests_until = -math.inf
        self._refused_at = 0
        self._peace_since = -math.inf
        self._since = -math.inf
        self._retry = REST_SECONDS
        self._now = 0.0
        self._kinds: dict[Hashable, _Arms] = {}

    def draw(self, kind: Hashable = None) -> float:
        """The share of the limit for the next query of the kind: 0.5 one time in four, else 1.0."""
        if self._fixed is not None:
            return FULL
        arms = self._arms(kind)
        arms.drawn += 1
        return _share(arms.drawn)

    def allowed(self, share: float, now: float) -> int:
        """Calls ahead that may be in flight at the server for a query with that share."""
        self._tick(now)
        return 0 if now < self._rests_until else int(self._bound * share)

    def refused(self, load: int, now: float, ahead: int | None = None) -> None:
        """The server refused a call, the ``load``-th in flight, while work ahead was there.

        ahead: how many of those were ahead; by default all but one.
        """
        self._tick(now)
        ceiling = max(0, load - 2 if ahead is None else min(load - 2, ahead - 1))
        self._ceiling = ceiling if self._ceiling is None else min(self._ceiling, ceiling)
        if now >= self._rests_until:  # what is refused during a rest was sent before it
            self._rest = min(LONGEST_REST, 2 * self._rest or REST_SECONDS)
            self._rests_until, self._refused_at = now + self._rest, load
        self._refused_at = min(self._refused_at, load)
        self._step = 1
        self._peace_since = self._rests_until
        self._begin(self._rests_until)

    def ended(
        self, share: float, seconds: float, tokens: int, now: float, kind: Hashable = None
    ) -> None:
        """A whole query ended well after so many seconds, with so many tokens written in all.

        Queries in which nothing could have run ahead are not told. A query that began before the
        last change of the limit, or in a rest, says nothing about either arm.
        """
        self._tick(now)
        if self._fixed is not None or self._bound == 0 or now - seconds < self._since:
            return
        arms = self._arms(kind)
        (arms.half if share < FULL else arms.full).append(seconds / max(1, tokens))
        self._compare(now)

    @property
    def now(self) -> float:
        """The latest time that was passed."""
        return self._now

    @property
    def describe(self) -> str:
        """The limit in words, as of the last time that was passed."""
        if self._now < self._rests_until:
            wait = math.ceil(self._rests_until - self._now)
            return f"rests for {wait} s: it refused a call with {self._refused_at} in flight"
        if self._fixed is not None and self._bound == self._fixed:
            return f"set to {self._fixed}"
        if self._limit == 0:
            wait = math.ceil(max(0.0, self._since + self._retry - self._now))
            return f"nothing ahead: it gained nothing; tried again in {wait} s"
        if self._bound == self._limit:
            return f"at most {self._limit} ahead"
        return f"at most {self._bound} ahead: it refused a call with {self._refused_at} in flight"

    @property
    def _bound(self) -> int:
        return self._limit if self._ceiling is None else min(self._limit, self._ceiling)

    def _arms(self, kind: Hashable) -> _Arms:
        """The arms of a kind, which becomes the latest; the kind not seen for longest goes."""
        arms = self._kinds[kind] = self._kinds.pop(kind, _Arms())
        if len(self._kinds) > KINDS:
            del self._kinds[next(iter(self._kinds))]
        return arms

    def _begin(self, now: float) -> None:
        """Compare anew, queries that begin from now on."""
        self._since = now
        for arms in self._kinds.values():
            arms.full, arms.half = [], []

    def _tick(self, now: float) -> None:
        """What time alone changes: the ceiling rises in peace, a limit of 0 is tried again."""
        self._now = now
        # A ceiling above 0 still gains: it is risked more seldom.
        peace = (10 if self._ceiling else 2) * self._rest
        if self._ceiling is not None and now - self._peace_since >= peace:
            self._ceiling += self._step
            if self._step > 1:  # the rise before went well
                self._rest = max(REST_SECONDS, self._rest / 2)
            self._step *= 2
            self._peace_since = now
            if self._ceiling >= self._most:
                self._ceiling, self._rest = None, 0.0
            self._begin(now)
        if self._limit == 0 and self._fixed is None and now - self._since >= self._retry:
            self._limit = 2
            self._retry = min(LONGEST_REST, 2 * self._retry)
            self._begin(now)

    def _compare(self, now: float) -> None:
        """Change the limit once the arms say enough: sooner where they differ widely."""
        told = [arms for arms in self._kinds.values() if arms.ended]
        if (count := sum(arms.ended for arms in told)) < ENOUGH // 2:
            return
        logs = sum(arms.ended * math.log(max(arms.ratio, 1e-9)) for arms in told)
        ratio = math.exp(logs / count)
        twice = all(len(arms.half) > 1 for arms in told)
        if ratio >= CLEARLY and (count < ENOUGH or not twice):
            return
        bound = self._bound
        if ratio < FASTER:
            self._limit = max(self._limit, min(self._most, 2 * bound))
            self._retry = REST_SECONDS
        else:
            self._limit = bound // 2
        self._begin(now)

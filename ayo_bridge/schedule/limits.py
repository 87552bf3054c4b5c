"""How many calls may run ahead at a server: pure decisions over how whole queries ended.

Latency alone cannot tell a server that serves one call at a time from one that batches: both slow
down under load. So arms are held out: one query in four runs ahead at half the limit, and the
seconds an output token of both arms are compared. Times are passed in; nothing here waits, and
callers on several threads take turns.
"""

from __future__ import annotations

import math
from collections import deque
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
ALONE: Final = 1.5
"""Queries at a time below which there is one user."""
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


@dataclass(slots=True)
class _While:
    """Queries drawn one after another that are all of one arm; those of the middle third count."""

    share: float
    drawn: int = 0
    first: float = math.inf
    last: float = math.inf

    def holds(self, share: float, began: float) -> bool:
        return share == self.share and self.first <= began <= self.last


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
        self._tried = 0
        self._now = 0.0
        self._kinds: dict[Hashable, _Arms] = {}
        self._ends: deque[float] = deque(maxlen=MOST)
        self._users = 1.0
        self._drawn = 0
        self._whiles: deque[_While] = deque(maxlen=4)

    def draw(self, kind: Hashable = None) -> float:
        """The share of the limit for the next query of the kind: 0.5 one time in four, else 1.0."""
        if self._fixed is not None:
            return FULL
        arms = self._arms(kind)
        arms.drawn += 1
        if self._users < ALONE:
            self._whiles.clear()
            return _share(arms.drawn)
        return self._while_of_one_arm()

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
        self._users += (1 + sum(end > now - seconds for end in self._ends) - self._users) / 4
        self._ends.append(now)
        if self._fixed is not None or self._bound == 0 or now - seconds < self._since:
            return
        if self._whiles and not any(part.holds(share, now - seconds) for part in self._whiles):
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

    def _while_of_one_arm(self) -> float:
        """The share of all queries for three times as many draws as there are users."""
        users = math.ceil(self._users)
        if not self._whiles or self._whiles[-1].drawn >= 3 * users:
            self._drawn += 1
            self._whiles.append(_While(_share(self._drawn)))
        latest = self._whiles[-1]
        latest.drawn += 1
        if latest.drawn == users + 1:
            latest.first = self._now
        if latest.drawn <= 2 * users:
            latest.last = self._now
        return latest.share

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
            self._limit, self._tried = 2, 0
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
        wide = START * math.ceil(self._users)
        if ratio < FASTER:
            self._limit = max(self._limit, min(self._most, 2 * bound))
            self._retry = REST_SECONDS
        elif self._users >= ALONE and self._tried < wide:
            # A few calls beside those of many users show nothing: once, as many for each user.
            self._limit = max(self._limit, min(self._most, wide))
            self._tried = 2 * wide
        else:
            self._limit = bound // (2 if self._users < ALONE else 4)
        self._begin(now)

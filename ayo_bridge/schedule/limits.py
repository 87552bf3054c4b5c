"""How much may be ahead of the original at one server: found by held-out arms, not assumed.

How a server behaves under load cannot be seen from one call: one with a single slot answers each
call as fast as before, and lets the next ones wait. What can be seen is whether queries end sooner.
So one query in four goes by half the limit, and every few queries the two arms are compared. Where
more helps the limit doubles; where it does not it falls, down to nothing. Where all of the limit
holds nothing back there is nothing to double, and half of it is tried ever more seldom. Queries
that half of it does not hold back say nothing of it: a few of them then go with nothing ahead at
all, so that what no longer pays is seen. A refusal sets a ceiling.

Where queries of several kinds share the server, :mod:`~ayo_bridge.schedule.turns` judges over all
of them, and the arms compare queries of full turns.

All decisions are pure: state and the time go in, a number comes out.
"""

from __future__ import annotations

import os
import statistics
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from ayo_bridge.errors import ArgumentError
from ayo_bridge.schedule.ceilings import Ceilings
from ayo_bridge.schedule.turns import Turns

START: Final = 8
MOST: Final = 64
HELD_OUT: Final = 4
"""One query in so many goes by half the limit; where all of it holds nothing back, twice as few
each time that it is found to pay, down to :data:`SELDOM`."""
WITHOUT: Final = 16
"""One query in so many goes with nothing ahead, where half of the limit is more than enough;
twice as few each time that it is found to pay, down to :data:`SELDOM`."""
SELDOM: Final = 256
COMPARED: Final = 8
"""After so many queries the arms are compared."""
BETTER: Final = 0.97
"""Query time at the full limit over that at half of it from which on the limit is worth having."""
CLEARLY: Final = {2: 0.75, 4: 0.85}
"""Ratios that so few queries are enough for."""
AGAIN: Final = 20.0
"""Seconds after which a limit that fell to nothing is tried anew; they double."""
LONGEST_AGAIN: Final = 600.0
WHOLLY: Final = 0.9
"""The share of full turns from which on a query tells of the limit."""
_KINDS: Final = 256
_FEWEST: Final = 2


@dataclass(slots=True)
class _Arms:
    """What queries of one kind took: seconds per output token, by the share they went by."""

    full: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    drawn: int = 0
    every: int = HELD_OUT
    without: int = WITHOUT
    loose: bool = False
    """Half of the limit held none of them back."""
    tight: bool = False
    """All of it held some of ``full`` back."""

    def forget(self) -> None:
        self.full, self.held_out, self.tight = [], [], False

    def found(self, *, pays: bool) -> None:
        """Whether the limit, or anything ahead, was worth having: how soon that is tried again."""
        if not pays:
            self.every, self.without = HELD_OUT, WITHOUT
        elif self.loose:
            self.without = min(SELDOM, 2 * self.without)
        elif not self.tight:
            self.every = min(SELDOM, 2 * self.every)

    def ratio(self) -> float | None:
        """The full limit's over the held-out arm's, once that can be said."""
        count = len(self.full) + len(self.held_out)
        if not self.full or not self.held_out:
            return None
        ratio = statistics.median(self.full) / statistics.median(self.held_out)
        enough = count >= COMPARED and len(self.held_out) >= _FEWEST
        clear = any(count >= few and ratio < bound for few, bound in CLEARLY.items())
        return ratio if enough or clear else None


class AheadLimit:
    """The limit of one server, for all who use it. Not thread-safe.

    Args:
        fixed: what the user has set; it is not changed, though a refusal still gives the server its
            rest.
        servers: how many share its calls. One that nobody knows begins with :data:`START`, and
            never gets more than :data:`MOST`.
    """

    def __init__(self, fixed: int | None = None, *, servers: int = 1) -> None:
        self._fixed = fixed
        self._servers = servers
        self._limit = float(START * servers if fixed is None else fixed)
        self._most = float(MOST * servers if fixed is None else fixed)
        self._ceilings = Ceilings()
        self._arms: OrderedDict[Hashable, _Arms] = OrderedDict()
        self._again = AGAIN
        self._fell_at = float("-inf")
        self.turns = Turns()

    # Asked by whoever sends.

    def draw(self, kind: Hashable = None) -> float:
        """The share of the limit for the next query; queries of one kind are compared."""
        arms = self._arms_of(kind)
        arms.drawn += 1
        if self._fixed is not None:
            return 1.0
        if arms.loose:
            return 0.0 if arms.drawn % arms.without == 0 else 1.0
        return 0.5 if arms.drawn % arms.every == 2 else 1.0

    def allowed(self, share: float, now: float, caller: Hashable = None) -> int:
        """How many calls may be ahead at the server, for a query with this share."""
        if self._ceilings.rests(now, caller):
            return 0
        if self._fixed is None:
            self._try_again(now)
        most = min(self._limit, self._ceilings.height(self._most, now, caller))
        limit = most * share
        return int(limit) if limit >= 1 or not share or most < 1 else 1  # Half of one.

    def rests(self, now: float, caller: Hashable) -> bool:
        """Whether nothing of a caller's may be ahead, as the server has refused it."""
        return self._ceilings.rests(now, caller)

    def plain(self, now: float) -> bool:
        """Whether queries that share the server have one call there at a time, for this turn."""
        return self._fixed is None and not self.turns.full(now)

    # Told by whoever has sent.

    def ended(
        self,
        kind: Hashable,
        share: float,
        seconds: float,
        tokens: int,
        now: float,
        *,
        held: bool = True,
        caller: Hashable = None,
    ) -> None:
        """A query that had something ahead has ended well.

        Args:
            kind: as it was drawn for.
            share: what was drawn.
            seconds: from its beginning to its end.
            tokens: that the server has written for it; 0 where that is not known.
            now: the time.
            held: whether its share has held some call back.
            caller: for whom it has asked.
        """
        if self._fixed is not None or self._limit < 1 or self._ceilings.rests(now, caller):
            return
        if self.turns.full_share(now - seconds, now) < WHOLLY:
            return  # That says more of the turns than of the limit.
        arms = self._arms_of(kind)
        loose = not held if share == 0.5 else arms.loose and not (held and share == 1.0)
        if loose != arms.loose:
            arms.loose = loose
            arms.forget()
        (arms.full if share == 1.0 else arms.held_out).append(seconds / max(tokens, 1))
        arms.tight |= held and share == 1.0
        if arms.loose and share == 0.5:
            arms.forget()
        ratio = arms.ratio()
        if ratio is not None:
            arms.found(pays=ratio < BETTER)
            self._change(ratio, now, wanted=arms.tight)

    def refused(self, load: int, now: float, caller: Hashable = None) -> None:
        """The server has refused a call, with so many in flight, while work ahead was there.

        ``caller``: who has too much there; ``None``: the server has too much to do.
        """
        if self._ceilings.refused(load, now, caller):
            self._forget()

    @property
    def has_refused(self) -> bool:
        """Whether it matters whose calls are taken."""
        return self._ceilings.has_refused

    def taken(self, caller: Hashable) -> None:
        """The server has taken a call."""
        self._ceilings.taken(caller)

    def serves(self, servers: int) -> None:
        """So many share the calls from now on: each of them has as much ahead as before.

        Where nothing went ahead any more, further ones are tried at once.
        """
        times = servers / self._servers
        self._servers = servers
        if times == 1 or self._fixed is not None:
            return
        self._most *= times
        self._ceilings.scale(times)
        if self._limit >= 1:
            self._limit = max(1.0, self._limit * times)
        elif times > 1:
            self._fell_at, self._again = float("-inf"), AGAIN
        self._arms.clear()  # Of so many nothing is known.

    def describe(self, now: float) -> str:
        """What is known, for people."""
        ceiling = self._ceilings.widest(now)
        if now < ceiling.until:
            return (
                f"no work ahead for {ceiling.until - now:.0f} s: it refused a call with "
                f"{ceiling.refused_with} in flight"
            )
        allowed = int(min(self._limit, ceiling.height))
        together = f" at {self._servers} servers together" if self._servers > 1 else ""
        if self._fixed is not None:
            return f"at most {allowed} calls ahead{together}, as set"
        if allowed < 1:
            return "no work ahead: queries were not faster with it; tried again from time to time"
        shared = self.turns.describe(now)
        said = f"at most {allowed} calls ahead{together}" + (f", {shared}" if shared else "")
        keys = self._ceilings.resting(now)
        return said + (f", none for {keys} key{'s' * (keys > 1)} that it refuses" if keys else "")

    # What follows.

    def _arms_of(self, kind: Hashable) -> _Arms:
        arms = self._arms.get(kind)
        if arms is None:
            arms = self._arms[kind] = _Arms()
            if len(self._arms) > _KINDS:
                self._arms.popitem(last=False)
        return arms

    def _change(self, ratio: float, now: float, *, wanted: bool) -> None:
        """``wanted``: more than the limit would be used."""
        if ratio < BETTER and not wanted:
            self._again = AGAIN
            self._ceilings.hurry()
        elif ratio < BETTER:
            widest = self._ceilings.widest(now).height
            self._limit = min(self._most, widest, self._limit * 2)
            self._again = AGAIN
            self._ceilings.hurry()
            for arms in self._arms.values():
                arms.drawn = 0  # It is soon seen whether more would help still more.
        else:
            self._limit /= 2 if ratio > 1 / BETTER or self._limit <= 2 else 1.4
        if self._limit < 1:
            self._fell_at = now
        self._forget()

    def _try_again(self, now: float) -> None:
        """After a while the limit is tried anew."""
        if self._limit < 1 and now - self._fell_at > self._again:
            self._limit, self._fell_at = 2.0, now
            self._again = min(LONGEST_AGAIN, 2 * self._again)

    def _forget(self) -> None:
        """Measurements at another limit say nothing of this one."""
        for arms in self._arms.values():
            arms.forget()


def wanted_limit(given: int | None) -> int | None:
    """What the user says, as an argument or in the environment variable ``AYO_MAX_AHEAD``.

    Raises:
        ArgumentError: that is no number of calls.
    """
    said: object = given
    if given is None:
        said = os.environ.get("AYO_MAX_AHEAD", "").strip()
        if not said:
            return None
        given = int(said) if said.isdecimal() else -1
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ArgumentError(
            f"max_ahead (or AYO_MAX_AHEAD) is to be a number of calls, 0 or more, not {said!r}"
        )
    return given


__all__ = ["AheadLimit", "wanted_limit"]

"""How much may be ahead at a server that has refused calls: at first nothing, then less than there
was.

A server that refuses one caller may have room for others: his quota is used up. So each has a
ceiling of his own, until so many are refused in a row, with none taken between them, that it is
the server that has too much to do. Pure: what is told and the time decide.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from ayo_bridge.schedule.refusals import STRANGERS

REST: Final = 30.0
"""Seconds without work ahead after a refusal; they double with each further one."""
LONGEST_REST: Final = 600.0
AGAIN: Final = 20.0
"""Seconds after which a ceiling is tried one higher; they double."""
_CALLERS: Final = 256


@dataclass(slots=True)
class Ceiling:
    """What may be ahead of those whom a server has refused."""

    height: float = math.inf
    until: float = -math.inf
    """Nothing may be ahead until then."""
    refused_with: int = 0
    """So many calls were in flight when it last refused one."""
    again: float = AGAIN
    _rest: float = REST
    _refused: float = -math.inf
    _raised: float = -math.inf

    def refuses(self, load: int, now: float) -> None:
        """It has refused a call, with so many in flight."""
        if now - self._refused > 10 * self._rest:
            self._rest = REST  # Long ago.
        elif now < self.until:
            return  # What had been sent before: it is one incident.
        else:
            self._rest = min(LONGEST_REST, 2 * self._rest)
        self._refused, self.refused_with = now, load
        self._raised = self.until = now + self._rest
        self.height = float(max(0, min(self.height, load - 2)))

    def rises(self, most: float, now: float) -> None:
        """It is tried one higher from time to time, until ``most`` may be ahead."""
        if self.height < most and now - self._raised > self.again:
            self.height, self._raised = self.height + 1, now
            self.again = min(LONGEST_REST, 2 * self.again)

    def room(self, now: float) -> tuple[float, float]:
        """Sorts ceilings by how much they leave."""
        return -max(0.0, self.until - now), self.height


class Ceilings:
    """Those of all callers, and of each who was refused. Not thread-safe."""

    def __init__(self) -> None:
        self._all = Ceiling()
        self._of: OrderedDict[Hashable, Ceiling] = OrderedDict()
        self._in_row: set[Hashable] = set()
        """Whom it has refused since it has last taken anything."""
        self._other = False
        """Whether it takes those of somebody whom it has not refused."""

    def refused(self, load: int, now: float, caller: Hashable) -> bool:
        """A call was refused, with so many in flight; ``None``: whoever had made it.

        Returns whether that holds for all callers, as far as is known.
        """
        whole = caller is None
        if not whole:
            self._other = self._other and caller in self._of
            mine = self._of.setdefault(caller, Ceiling())
            self._of.move_to_end(caller)
            if len(self._of) > _CALLERS:
                self._of.popitem(last=False)
            mine.refuses(load, now)
            self._in_row.add(caller)
            whole = len(self._in_row) >= STRANGERS
        if whole:
            self._in_row.clear()
            self._all.refuses(load, now)
        return whole or not self._other

    @property
    def has_refused(self) -> bool:
        """Whether some caller was refused, so that it matters whose calls are taken."""
        return bool(self._of)

    def taken(self, caller: Hashable) -> None:
        """A call was taken."""
        self._in_row.clear()
        self._other = self._other or caller not in self._of

    def rests(self, now: float, caller: Hashable = None) -> bool:
        """Whether nothing of a caller's may be ahead."""
        mine = self._of.get(caller)
        return now < self._all.until or (mine is not None and now < mine.until)

    def height(self, most: float, now: float, caller: Hashable = None) -> float:
        """How much of a caller's may be ahead, if no more than ``most`` may of anybody's."""
        self._all.rises(most, now)
        mine = self._of.get(caller)
        if mine is None:
            return min(most, self._all.height)
        mine.rises(most, now)
        return min(most, self._all.height, mine.height)

    def scale(self, times: float) -> None:
        """There are so many times as many servers."""
        for each in (self._all, *self._of.values()):
            each.height *= times

    def hurry(self) -> None:
        """More would help: they are soon tried one higher."""
        for each in (self._all, *self._of.values()):
            each.again = AGAIN

    def widest(self, now: float) -> Ceiling:
        """That of who may have the most ahead, of those that are known."""
        if self._other or not self._of:
            return self._all
        most = max(self._of.values(), key=lambda each: each.room(now))
        return min(self._all, most, key=lambda each: each.room(now))

    def resting(self, now: float) -> int:
        """How many callers may have nothing ahead for themselves."""
        return sum(now < each.until for each in self._of.values())


__all__ = ["AGAIN", "LONGEST_REST", "REST", "Ceiling", "Ceilings"]

"""Which replicas do not take whose requests. Pure: what is told and the time decide."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Hashable
from dataclasses import dataclass
from typing import Final

AGAIN: Final = 30.0
"""Seconds after which a replica is asked again by a caller whom it has refused; they double with
each further refusal."""
LONGEST_AGAIN: Final = 600.0
STRANGERS: Final = 3
"""Callers whom a replica refuses, and none that it takes between them, until it is taken to refuse
all: keys may be new with each request."""
_CALLERS: Final = 4096


@dataclass(slots=True)
class _Refusal:
    at: float
    seconds: float = AGAIN

    @property
    def until(self) -> float:
        return self.at + self.seconds


class Refusals:
    """Of callers whom one replica refuses: it does not know their key, or has too much of them.

    Not thread-safe. Callers and replicas are told apart by what is given for them.
    """

    def __init__(self) -> None:
        self._of: OrderedDict[Hashable, dict[int, _Refusal]] = OrderedDict()
        self._strangers: defaultdict[int, set[Hashable]] = defaultdict(set)
        """By replica: whom it has refused since it has last taken anything."""
        self._taken: dict[int, Hashable] = {}
        """By replica: whose request it has last taken."""

    def by(self, caller: Hashable, now: float) -> Collection[int]:
        """The replicas that a caller is not to ask now."""
        found = self._of.get(caller)
        return [number for number, each in found.items() if now < each.until] if found else ()

    def refuses(
        self,
        number: int,
        caller: Hashable,
        now: float,
        began: float,
        seconds: float | None = None,
    ) -> bool:
        """A replica has refused a request; ``began``: when it was sent.

        ``seconds``: for how long, where it says that. Returns whether it is taken to refuse all.
        """
        mine = self._of.setdefault(caller, {})
        if len(self._of) > _CALLERS:
            self._of.popitem(last=False)
        known = mine.get(number)
        if seconds is not None:
            until = now + seconds if known is None else max(known.until, now + seconds)
            mine[number] = _Refusal(now, until - now)
        elif known is None:
            mine[number] = _Refusal(now)
        elif began >= known.at:  # Else it is of those that were on their way when it was told.
            mine[number] = _Refusal(now, min(2 * known.seconds, LONGEST_AGAIN))
        self._strangers[number].add(caller)
        if self._taken.get(number) == caller:
            del self._taken[number]
        return len(self._strangers[number]) >= STRANGERS

    def takes(self, number: int, caller: Hashable, began: float = math.inf) -> None:
        """A replica has taken a request, which was sent at ``began``."""
        self._taken[number] = caller
        self._strangers.pop(number, None)
        mine = self._of.get(caller, {})
        if number in mine and began >= mine[number].at:
            del mine[number]
            if not mine:
                del self._of[caller]

    def known(self, number: int, caller: Hashable) -> bool:
        """Whether nothing is new if a replica takes a request."""
        return self._taken.get(number) == caller and not self._of and not self._strangers

    def all_by(self, number: int, now: float) -> bool:
        """Whether a replica refuses everybody of whom it is known."""
        refused = self._strangers.get(number, ())
        return number not in self._taken and any(number in self.by(c, now) for c in refused)

    def forget(self, number: int) -> None:
        """A replica begins anew."""
        self._strangers.pop(number, None)
        self._taken.pop(number, None)
        for mine in self._of.values():
            mine.pop(number, None)
        self._of = OrderedDict((caller, mine) for caller, mine in self._of.items() if mine)


__all__ = ["AGAIN", "LONGEST_AGAIN", "STRANGERS", "Refusals"]

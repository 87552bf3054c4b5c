"""Do no harm: whether running ahead is worth it for an object, judged by what became of it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

from ayo_bridge.record.counters import was_ahead
from ayo_bridge.seam import EngineCall, Outcome

ENOUGH_AHEAD: Final = 20
"""So many calls ahead must have ended before run-ahead is judged, and make a trial."""
JUDGED_AHEAD: Final = 200
"""So many of the last calls ahead are judged together."""
TOLERATED_WASTE: Final = 0.05
"""Share of the judged calls that may go unused."""
TOLERATED_FAILURES: Final = 0.5
"""Share of the judged calls that may fail where the original's own did not: a server that is down
for a while is no reason to stop, a way ahead that never works is."""
FIRST_OFF: Final = 60.0
LONGEST_OFF: Final = 3600.0
"""Seconds of a switch-off before it is tried again: the first, doubled after a trial that failed
as well, up to the longest."""
_EVIDENCE: Final = frozenset({Outcome.HIT, Outcome.WASTED, Outcome.DROPPED})


class Judge:
    """Judges by the last calls that were made ahead. Times are passed in. Not thread-safe."""

    def __init__(self) -> None:
        self._outcomes: deque[Outcome] = deque(maxlen=JUDGED_AHEAD)
        self._reason = ""
        """Why it was switched off; stays until a trial has ended well."""
        self._until = -math.inf
        self._seconds = 0.0
        self._tried = 0

    def hear(self, calls: Iterable[EngineCall], now: float) -> None:
        """Take in the engine calls of one call that ended well and in which something ran ahead."""
        if self.is_off(now):
            return
        self._outcomes.extend(
            call.outcome for call in calls if was_ahead(call) and call.outcome in _EVIDENCE
        )
        if verdict := self._verdict():
            self._off(verdict, now)
        elif self._reason and len(self._outcomes) >= ENOUGH_AHEAD:
            self._reason = ""
        elif len(self._outcomes) == JUDGED_AHEAD:
            self._seconds, self._tried = 0.0, 0

    def switch_off(self, reason: str, now: float) -> None:
        """Run nothing ahead for a while; while that is so already, the first reason stays."""
        if not self.is_off(now):
            self._off(reason, now)

    def condemn(self, reason: str) -> None:
        """Run nothing ahead any more: it was wrong, and trying again would be wrong again."""
        self._reason, self._until = reason, math.inf

    def is_off(self, now: float) -> bool:
        """Whether nothing is to run ahead at this moment."""
        return now < self._until

    def why_off(self, now: float) -> str:
        """Why nothing runs ahead, and when that is tried again; empty while something may."""
        if not self.is_off(now):
            return ""
        if self._until == math.inf:
            return self._reason
        return f"{self._reason}; tried again in {math.ceil(self._until - now)} s"

    def on_trial(self, now: float) -> str:
        """Why nothing ran ahead until it was tried again; empty if there is no trial."""
        if not self._reason or self.is_off(now):
            return ""
        return f"{self._reason}; tried for the {_ordinal(self._tried)} time"

    def _off(self, reason: str, now: float) -> None:
        self._reason = reason
        self._seconds = min(LONGEST_OFF, 2 * self._seconds or FIRST_OFF)
        self._until = now + self._seconds
        self._tried += 1
        self._outcomes.clear()

    def _verdict(self) -> str:
        """Why run-ahead does more harm than good here; empty if it does not.

        On trial as soon as it is certain that as many calls as make one cannot change it.
        """
        ended = len(self._outcomes)
        failed = self._outcomes.count(Outcome.DROPPED)
        wasted = self._outcomes.count(Outcome.WASTED)
        judged = ended - failed
        least = 0 if self._reason else ENOUGH_AHEAD
        if judged >= least and wasted > TOLERATED_WASTE * max(judged, ENOUGH_AHEAD):
            return (
                f"{wasted} of the last {judged} results computed ahead were not used "
                f"({wasted / judged:.1%}; {TOLERATED_WASTE:.0%} are tolerated)"
            )
        if ended >= least and failed > TOLERATED_FAILURES * max(ended, ENOUGH_AHEAD):
            return (
                f"{failed} of the last {ended} calls ahead failed, and the original's own went well"
            )
        return ""


def _ordinal(number: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    teens = 10 < number % 100 < 20
    return f"{number}{'th' if teens else ends.get(number % 10, 'th')}"

"""Do no harm: whether running ahead is worth it for an object, judged by what became of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from ayo_bridge.record.counters import was_ahead
from ayo_bridge.seam import EngineCall, Outcome

ENOUGH_AHEAD: Final = 20
"""So many calls ahead must have ended before run-ahead is judged."""
JUDGED_AHEAD: Final = 200
"""So many of the last calls ahead are judged together."""
TOLERATED_WASTE: Final = 0.05
"""Share of the judged calls that may go unused."""


class Judge:
    """Judges by the last calls that were made ahead. Not thread-safe."""

    def __init__(self) -> None:
        self._unused: deque[bool] = deque(maxlen=JUDGED_AHEAD)

    def hear(self, calls: Iterable[EngineCall]) -> None:
        """Take in the engine calls of one call in which something ran ahead."""
        self._unused.extend(call.outcome is not Outcome.HIT for call in calls if was_ahead(call))

    def verdict(self) -> str:
        """Why run-ahead does more harm than good here; empty if it does not."""
        judged, unused = len(self._unused), sum(self._unused)
        if judged < ENOUGH_AHEAD or unused <= TOLERATED_WASTE * judged:
            return ""
        return (
            f"{unused} of the last {judged} results computed ahead were not used "
            f"({unused / judged:.1%}; {TOLERATED_WASTE:.0%} are tolerated)"
        )

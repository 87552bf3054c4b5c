"""Whether what is in use is still true, by what became of the last calls."""

from __future__ import annotations

from collections import deque
from typing import Final

from ayo_bridge.learn.live.call import Ended

JUDGED: Final = 20
"""So many of the last calls are judged together."""
TOLERATED: Final = 1
"""So many of them may have asked for something else than was predicted."""


class Judging:
    """The last calls of one lesson. Not thread-safe."""

    def __init__(self) -> None:
        self._refuted: deque[bool] = deque(maxlen=JUDGED)
        self.raised = False
        """Whether one of them asked for less as the program ended it by raising."""

    def heard(self, ended: Ended) -> str:
        """Take in a call that ended well; why the lesson is to be discarded, empty if it is not."""
        self._refuted.append(bool(ended.refuted))
        self.raised = self.raised or (ended.raised and bool(ended.refuted))
        bad, calls = sum(self._refuted), len(self._refuted)
        if bad <= TOLERATED:
            return ""
        return f"{bad} of {calls} calls asked for something else than was predicted"

"""What is to be reported: the first objects that were called, and that something happened."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Final

from ayo_bridge.runahead import AcceleratedState

_MOST: Final = 64


class Remembered:
    """States of the first objects, whether these live or not. Thread-safe."""

    def __init__(self) -> None:
        self.states: list[AcceleratedState] = []
        self.forked()

    def forked(self) -> None:
        """In a child nobody waits yet."""
        self._news: SimpleQueue[None] = SimpleQueue()
        self._told = False

    def add(self, state: AcceleratedState) -> None:
        """Remember an object, unless there are enough."""
        if len(self.states) < _MOST:
            state.when_noted = self.changed
            self.states.append(state)

    def called(self) -> list[AcceleratedState]:
        """Those that were called, the most often called one first."""
        calls = [(state.totals().calls, state) for state in [*self.states]]
        return [state for n, state in sorted(calls, key=lambda each: -each[0]) if n]

    def changed(self) -> None:
        """Tell whoever waits. A call may end wherever Python collects: this takes no lock."""
        if not self._told:
            self._told = True
            self._news.put(None)

    def wait(self) -> None:
        """Wait until something has changed since this was asked last."""
        self._news.get()
        self._told = False

    def forget(self) -> None:
        """Let go of all."""
        self.states.clear()


REMEMBERED: Final = Remembered()
"""Those of this process."""

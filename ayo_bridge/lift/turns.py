"""Work that belongs on the thread and the event loop of the original, in between its own steps."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final

AT_ONCE: Final = 0.005
"""Seconds for which the original's loop is held at most, but for one step."""

Act = Callable[[], None]


class Turns:
    """Acts that are done on the loop on which the original works at that moment, in their order.

    A synchronous original runs loops one after the other, perhaps in several threads: what is left
    when one has stopped is done on the next. :meth:`put` may be called from any thread.

    Args:
        more: is asked, when no act is left, whether it has done something and wants another turn.
    """

    def __init__(self, more: Callable[[], bool]) -> None:
        self._more = more
        self._acts: deque[Act] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def here(self) -> None:
        """The original works here from now on: on the running loop, or without one."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self.soon()

    def put(self, act: Act) -> None:
        """Have something done."""
        self._acts.append(act)
        loop = self._loop
        if loop is None or self._closed:
            return
        try:
            loop.call_soon_threadsafe(self._run)
        except RuntimeError:
            return  # That loop is closed; the next one does it.

    def soon(self) -> None:
        """Take a turn, on the original's own thread: where no loop runs, at once."""
        if self._closed:
            return
        if self._loop is not None:
            self._loop.call_soon(self._run)
        else:
            self._run()

    def close(self) -> None:
        """Nothing more is done."""
        self._closed = True
        self._acts.clear()

    def _run(self) -> None:
        until = perf_counter() + AT_ONCE
        while not self._closed:
            if self._acts:
                self._acts.popleft()()
            elif not self._more():
                return
            if self._loop is not None and perf_counter() >= until:
                self.soon()
                return

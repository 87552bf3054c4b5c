"""An emulated engine that runs batches to completion: an embedding model, a reranker."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ayo_bridge.profile import EngineProfile


@dataclass(slots=True, eq=False)
class Batched:
    """A request: how many items it has, and what is done when they are computed."""

    items: int
    done: Callable[[], None]
    gone: bool = False
    """Whether its client has left; then it takes no time, unless its batch has begun."""


class EmulatedBatches:
    """Takes as long as its curve says; for one loop, on whose clock it runs.

    Requests that wait are put into one batch of up to b* items, first come, first served, as
    servers of such models do. One of more items than that runs alone, in batches of b*.
    """

    def __init__(self, profile: EngineProfile) -> None:
        self._curve = profile.curve
        self._most = profile.best_batch or profile.curve.points[-1][0]
        self._waiting: deque[Batched] = deque()
        self._busy = False

    def add(self, request: Batched) -> None:
        """Queue a request; others that come at the same time share its batch."""
        self._waiting.append(request)
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._next)

    def seconds(self, items: int) -> float:
        """How long so many items take."""
        whole, rest = divmod(items, self._most)
        full = whole * self._curve.seconds(self._most)
        return full + (self._curve.seconds(rest) if rest else 0.0)

    def _next(self) -> None:
        batch = self._batch()
        self._busy = bool(batch)
        if batch:
            items = sum(request.items for request in batch)
            asyncio.get_running_loop().call_later(self.seconds(items), self._end, batch)

    def _batch(self) -> list[Batched]:
        taken: list[Batched] = []
        room = self._most
        while self._waiting:
            first = self._waiting[0]
            if not first.gone:
                if taken and first.items > room:
                    break
                taken.append(first)
                room -= first.items
            self._waiting.popleft()
        return taken

    def _end(self, batch: list[Batched]) -> None:
        for request in batch:
            if not request.gone:
                request.done()
        self._next()

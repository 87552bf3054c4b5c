"""What waits for one engine, kept in the order of a policy as requests come and go.

A policy could sort its whole queue for every batch; with a thousand queries waiting that is most of
a scheduler's time. Here a request costs the logarithm of the queue, and a batch what is in it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Hashable, Sequence

from ayo_bridge.schedule.batch import Batch, Sizes
from ayo_bridge.schedule.waiting import Level, Waiting, is_due, may_start

Rank = tuple[float, float]


class RankedQueue:
    """The lowest ``rank`` goes first, of equal ones whoever came first; work ahead goes last.

    ``bundle`` says which requests may share a batch: those for which it is the same.
    """

    def __init__(
        self,
        rank: Callable[[Waiting], Rank],
        bundle: Callable[[Waiting], Hashable] = lambda request: request.group,
    ) -> None:
        self._rank = rank
        self._bundle = bundle
        self._numbers = itertools.count()
        self._waiting: dict[int, Waiting] = {}
        self._bundles: dict[Hashable, list[_Entry]] = {}
        self._sizes = Sizes()
        # The head of every bundle, and what was one: whatever is no head any more is passed over.
        self._heads: list[tuple[Level, Rank, int, Hashable]] = []

    def __len__(self) -> int:
        """The number of requests that wait."""
        return len(self._waiting)

    def add(self, request: Waiting) -> None:
        """Let a request wait."""
        self._waiting[request.id] = request
        self._sizes.add(request)
        entry = (request.level, self._rank(request), next(self._numbers), request)
        bundle = self._bundle(request)
        heap = self._bundles.setdefault(bundle, [])
        heapq.heappush(heap, entry)
        if heap[0] is entry:
            self._offer(bundle, heap)

    def discard(self, request: Waiting) -> None:
        """Forget a request; its entry goes when it comes to the head."""
        del self._waiting[request.id]
        self._sizes.remove(request)
        self._forget_if_empty()

    def pick(self, slots: int | None, *, alone: bool = True, least: int = 0) -> list[Waiting]:
        """Take out the next batch, from the bundle with the first head."""
        bundle, heap = self._first()
        if not heap or not may_start(heap[0][3], slots, alone, least):
            return []
        batch = Batch(slots, self._sizes)
        passed_over: list[_Entry] = []
        while heap and not batch.full and is_due(heap[0][3], least):
            entry = heapq.heappop(heap)
            request = entry[3]
            if self._waiting.get(request.id) is not request:
                continue
            if batch.take(request):
                del self._waiting[request.id]
            else:
                passed_over.append(entry)
        for entry in passed_over:
            heapq.heappush(heap, entry)
        self._offer(bundle, heap)
        self._forget_if_empty()
        return batch.picked

    def _offer(self, bundle: Hashable, heap: list[_Entry]) -> None:
        """Note the head of a bundle, which is a new one."""
        if heap:
            heapq.heappush(self._heads, (*heap[0][:3], bundle))
        else:
            del self._bundles[bundle]

    def _first(self) -> tuple[Hashable, list[_Entry]]:
        """The bundle that the first of all requests is in, with nothing else at its head."""
        while self._heads:
            _, _, number, bundle = self._heads[0]
            heap = self._bundles.get(bundle, [])
            if heap and heap[0][2] == number:
                request = heap[0][3]
                if self._waiting.get(request.id) is request:
                    return bundle, heap
                heapq.heappop(heap)
                self._offer(bundle, heap)
            heapq.heappop(self._heads)
        return None, []

    def _forget_if_empty(self) -> None:
        if not self._waiting:
            self._bundles.clear()
            self._heads.clear()
            self._sizes.clear()


_Entry = tuple[Level, Rank, int, Waiting]
"""``(level, rank, number, request)``; numbers are unique and rise with every request added."""


class FunctionQueue:
    """A policy given as a function of the whole queue, which it sees for every batch."""

    def __init__(self, pick: Callable[[Sequence[Waiting], int | None], list[Waiting]]) -> None:
        self._pick = pick
        self._waiting: dict[int, Waiting] = {}

    def __len__(self) -> int:
        """The number of requests that wait."""
        return len(self._waiting)

    def add(self, request: Waiting) -> None:
        """Let a request wait."""
        self._waiting[request.id] = request

    def discard(self, request: Waiting) -> None:
        """Forget a request."""
        del self._waiting[request.id]

    def pick(self, slots: int | None, *, alone: bool = True, least: int = 0) -> list[Waiting]:
        """Take out what the function says."""
        queue = [request for request in self._waiting.values() if is_due(request, least)]
        picked = self._pick(queue, slots) if queue else []
        if picked and not may_start(picked[0], slots, alone):
            return []
        for request in picked:
            del self._waiting[request.id]
        return picked

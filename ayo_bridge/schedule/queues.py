"""What waits for one engine, kept in the order of a policy as requests come and go.

A policy could sort its whole queue for every batch; with a thousand queries waiting that is most of
a scheduler's time. Here a request costs the logarithm of the queue, and a batch what is in it.
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, Protocol

MISFITS: Final = 128
"""Requests that a batch passes over, for they do not fit, before it is taken as full. Without a
bound a batch with one slot left would look through the whole queue for a request that small."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued request, as far as a policy needs to know it.

    Times are in seconds of the scheduler's clock. ``depth`` is the longest path from the request's
    primitive to the end of its query, in primitives. ``items`` is what it takes of a batch.
    """

    id: int
    query: Hashable
    node: str
    depth: int
    arrival: float
    items: int = 1
    group: Hashable | None = None
    priority: int = field(default=0)
    """0: somebody waits for it. Higher: work ahead that may step back."""
    since: float = 0.0
    """When its query was submitted."""
    remaining: float = 0.0
    """Estimated seconds from the start of its primitive to the end of its query; 0 if unknown."""
    left: float = 0.0
    """The longest such path of all that its query has under way, itself included."""


class Queue(Protocol):
    """Requests in the order of a policy. What is picked depends on what was added, and how only."""

    def __len__(self) -> int:
        """The number of requests that wait."""

    def add(self, request: Waiting) -> None:
        """Let a request wait. Its id must not be that of another one that waits."""

    def discard(self, request: Waiting) -> None:
        """Forget a request that waits."""

    def pick(self, slots: int | None, *, alone: bool = True, ahead: bool = True) -> list[Waiting]:
        """Take out the requests of the next batch, all of one group.

        They have no more items than there are slots, except for a single request that is larger
        than a batch, if it may run ``alone``. Without ``ahead``, work ahead is left where it is.
        """


class Batch:
    """A batch that is being filled. ``smallest`` bounds the items of a group's requests below."""

    def __init__(self, slots: int | None, smallest: Mapping[Hashable, int]) -> None:
        self.picked: list[Waiting] = []
        self.full = False
        self._left = slots
        self._smallest = smallest
        self._misfits = 0

    def take(self, request: Waiting) -> bool:
        """Add the request if it fits; note when to look no further."""
        picked, left = self.picked, self._left
        if picked and (
            request.group != picked[0].group or (left is not None and request.items > left)
        ):
            self._misfits += 1
            self.full = self._misfits >= MISFITS
            return False
        picked.append(request)
        if request.group is None:
            self.full = True
        elif left is not None:
            self._left = left = left - request.items
            self.full = left < self._smallest[request.group]
        return True


class RankedQueue:
    """The lowest ``rank`` goes first, of equal ones whoever came first; work ahead goes last.

    ``bundle`` says which requests may share a batch: those for which it is the same.
    """

    def __init__(
        self,
        rank: Callable[[Waiting], float],
        bundle: Callable[[Waiting], Hashable] = lambda request: request.group,
    ) -> None:
        self._rank = rank
        self._bundle = bundle
        self._numbers = itertools.count()
        self._waiting: dict[int, Waiting] = {}
        self._bundles: dict[Hashable, list[_Entry]] = {}
        self._smallest: dict[Hashable, int] = {}
        # The head of every bundle, and what was one: whatever is no head any more is passed over.
        self._heads: list[tuple[int, float, int, Hashable]] = []

    def __len__(self) -> int:
        """The number of requests that wait."""
        return len(self._waiting)

    def add(self, request: Waiting) -> None:
        """Let a request wait."""
        self._waiting[request.id] = request
        _note_size(self._smallest, request)
        entry = (request.priority, self._rank(request), next(self._numbers), request)
        bundle = self._bundle(request)
        heap = self._bundles.setdefault(bundle, [])
        heapq.heappush(heap, entry)
        if heap[0] is entry:
            self._offer(bundle, heap)

    def discard(self, request: Waiting) -> None:
        """Forget a request; its entry goes when it comes to the head."""
        del self._waiting[request.id]
        self._forget_if_empty()

    def pick(self, slots: int | None, *, alone: bool = True, ahead: bool = True) -> list[Waiting]:
        """Take out the next batch, from the bundle with the first head."""
        bundle, heap = self._first()
        if not heap or not _may_start(heap[0][3], slots, alone, ahead):
            return []
        batch = Batch(slots, self._smallest)
        passed_over: list[_Entry] = []
        while heap and not batch.full and (ahead or not heap[0][0]):
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
            self._smallest.clear()


_Entry = tuple[int, float, int, Waiting]
"""``(priority, rank, number, request)``; numbers are unique and rise with every request added."""


class TopologyQueue:
    """Buckets of requests by query, each with its levels by depth (paper, Algorithm 2)."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._places: dict[int, tuple[_Buckets, _Bucket, int]] = {}
        self._classes: dict[int, _Buckets] = {}
        self._smallest: dict[Hashable, int] = {}

    def __len__(self) -> int:
        """The number of requests that wait."""
        return len(self._places)

    def add(self, request: Waiting) -> None:
        """Let a request wait."""
        _note_size(self._smallest, request)
        buckets = self._classes.setdefault(request.priority, _Buckets())
        number = next(self._numbers)
        self._places[request.id] = buckets, buckets.add(request, number), number

    def discard(self, request: Waiting) -> None:
        """Forget a request."""
        buckets, bucket, number = self._places.pop(request.id)
        bucket.remove(request, number)
        if not bucket.levels:
            del buckets.by_query[request.query]
        if not self._places:
            self._classes.clear()
            self._smallest.clear()

    def pick(self, slots: int | None, *, alone: bool = True, ahead: bool = True) -> list[Waiting]:
        """Take out the next batch."""
        batch = Batch(slots, self._smallest)
        for priority in sorted(self._classes):
            with closing(self._classes[priority].in_order()) as requests:
                for request in requests:
                    if not batch.picked and not _may_start(request, slots, alone, ahead):
                        return []
                    if priority and not ahead:
                        break
                    batch.take(request)
                    if batch.full:
                        break
            if batch.full:
                break
        for request in batch.picked:
            self.discard(request)
        return batch.picked


class _Buckets:
    """The buckets of one priority. ``heap`` has all of them by a time not after their earliest."""

    def __init__(self) -> None:
        self.by_query: dict[Hashable, _Bucket] = {}
        self.heap: list[tuple[float, int, _Bucket]] = []

    def add(self, request: Waiting, number: int) -> _Bucket:
        bucket = self.by_query.get(request.query)
        if bucket is None:
            bucket = self.by_query[request.query] = _Bucket()
        bucket.add(request, number)
        if bucket.earliest() == (request.arrival, number):
            heapq.heappush(self.heap, (request.arrival, number, bucket))
        return bucket

    def in_order(self) -> Generator[Waiting, None, None]:
        """All requests: the deepest level of each bucket, then the next one of each."""
        order: list[tuple[_Bucket, list[int]]] = []
        try:
            for bucket in self._earliest_first():
                levels = sorted(bucket.levels, reverse=True)
                order.append((bucket, levels))
                yield from bucket.levels[levels[0]].values()
            for rank in range(1, max((len(levels) for _, levels in order), default=0)):
                for bucket, levels in order:
                    if rank < len(levels):
                        yield from bucket.levels[levels[rank]].values()
        finally:
            for bucket, _ in order:
                heapq.heappush(self.heap, (*bucket.earliest(), bucket))

    def _earliest_first(self) -> Iterator[_Bucket]:
        """Take the buckets off the heap, each once."""
        seen: set[int] = set()
        while self.heap:
            arrival, number, bucket = heapq.heappop(self.heap)
            if not bucket.levels or id(bucket) in seen:
                continue
            earliest = bucket.earliest()
            if earliest == (arrival, number):
                seen.add(id(bucket))
                yield bucket
            else:  # what had come then has gone
                heapq.heappush(self.heap, (*earliest, bucket))


class _Bucket:
    """The requests of one query: levels by depth, each in the order of arrival."""

    __slots__ = ("_arrivals", "_numbers", "levels")

    def __init__(self) -> None:
        self.levels: dict[int, OrderedDict[int, Waiting]] = {}
        self._numbers: set[int] = set()
        self._arrivals: list[tuple[float, int]] = []

    def add(self, request: Waiting, number: int) -> None:
        self.levels.setdefault(request.depth, OrderedDict())[number] = request
        self._numbers.add(number)
        heapq.heappush(self._arrivals, (request.arrival, number))

    def remove(self, request: Waiting, number: int) -> None:
        level = self.levels[request.depth]
        del level[number]
        self._numbers.discard(number)
        if not level:
            del self.levels[request.depth]

    def earliest(self) -> tuple[float, int]:
        """Arrival and number of the request that has waited longest."""
        while self._arrivals[0][1] not in self._numbers:
            heapq.heappop(self._arrivals)
        return self._arrivals[0]


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

    def pick(self, slots: int | None, *, alone: bool = True, ahead: bool = True) -> list[Waiting]:
        """Take out what the function says."""
        queue = [request for request in self._waiting.values() if ahead or not request.priority]
        picked = self._pick(queue, slots) if queue else []
        if picked and not _may_start(picked[0], slots, alone, ahead):
            return []
        for request in picked:
            del self._waiting[request.id]
        return picked


def _may_start(first: Waiting, slots: int | None, alone: bool, ahead: bool) -> bool:
    """Whether the first of all requests may run now."""
    return (ahead or not first.priority) and (alone or slots is None or first.items <= slots)


def _note_size(smallest: dict[Hashable, int], request: Waiting) -> None:
    known = smallest.get(request.group)
    if known is None or request.items < known:
        smallest[request.group] = request.items

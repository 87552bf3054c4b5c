"""What waits for one engine, kept in the order of a policy as requests come and go.

A policy could sort its whole queue for every batch; with a thousand queries waiting that is most of
a scheduler's time. Here a request costs the logarithm of the queue, and a batch what is in it.
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import closing
from typing import Final, NamedTuple, Protocol

MISFITS: Final = 16
"""Requests that a batch passes over, for they do not fit, before it is taken as full. Without a
bound a batch with one slot left would look through the whole queue for a request that small."""


class Waiting(NamedTuple):
    """A queued request, as far as a policy needs to know it.

    One is made for every call: a frozen dataclass would take three microseconds more.

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
    priority: int = 0
    """0: somebody waits for it. Higher: work ahead that may step back."""
    serves: int = 1
    """Of work ahead: how many calls it makes shorter."""
    since: float = 0.0
    """When its query was submitted."""
    remaining: float = 0.0
    """Estimated seconds from the start of its primitive to the end of its query; 0 if unknown."""
    left: float = 0.0
    """The longest such path of all that its query has under way, itself included."""

    @property
    def level(self) -> tuple[int, int]:
        """Lower goes first under every policy: work ahead last, and of it what serves few."""
        return self.priority, -self.serves if self.priority else 0


class Queue(Protocol):
    """Requests in the order of a policy. What is picked depends on what was added, and how only."""

    def __len__(self) -> int:
        """The number of requests that wait."""

    def add(self, request: Waiting) -> None:
        """Let a request wait. Its id must not be that of another one that waits."""

    def discard(self, request: Waiting) -> None:
        """Forget a request that waits."""

    def pick(self, slots: int | None, *, alone: bool = True, least: int = 0) -> list[Waiting]:
        """Take out the requests of the next batch, all of one group.

        They have no more items than there are slots, except for a single request that is larger
        than a batch, if it may run ``alone``. Work ahead that serves fewer than ``least`` calls is
        left where it is.
        """


class Sizes:
    """How many requests of each number of items wait, by group."""

    def __init__(self) -> None:
        self._counts: dict[Hashable, dict[int, int]] = {}
        self._sizes: dict[Hashable, list[int]] = {}

    def add(self, request: Waiting) -> None:
        """Count a request."""
        counts = self._counts.setdefault(request.group, {})
        count = counts.get(request.items, 0)
        counts[request.items] = count + 1
        if not count:
            heapq.heappush(self._sizes.setdefault(request.group, []), request.items)

    def remove(self, request: Waiting) -> None:
        """Count it no more."""
        counts = self._counts[request.group]
        counts[request.items] -= 1
        if not counts[request.items]:
            del counts[request.items]

    def fits(self, group: Hashable, slots: int) -> bool:
        """Whether any request of the group has no more items than that."""
        sizes, counts = self._sizes.get(group, []), self._counts.get(group, {})
        while sizes and sizes[0] not in counts:
            heapq.heappop(sizes)
        return bool(sizes) and sizes[0] <= slots

    def clear(self) -> None:
        """Forget everything."""
        self._counts.clear()
        self._sizes.clear()


class Batch:
    """A batch that is being filled; what it takes is no longer counted among ``sizes``."""

    def __init__(self, slots: int | None, sizes: Sizes) -> None:
        self.picked: list[Waiting] = []
        self.full = False
        self._left = slots
        self._sizes = sizes
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
        self._sizes.remove(request)
        if request.group is None:
            self.full = True
        elif left is not None:
            self._left = left = left - request.items
            self.full = not self._sizes.fits(request.group, left)
        return True


Rank = tuple[float, float]
Level = tuple[int, int]


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
        if not heap or not _may_start(heap[0][3], slots, alone, least):
            return []
        batch = Batch(slots, self._sizes)
        passed_over: list[_Entry] = []
        while heap and not batch.full and _is_due(heap[0][3], least):
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


class TopologyQueue:
    """Buckets of requests by query, each with its levels by depth (paper, Algorithm 2)."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._places: dict[int, tuple[_Bucket, int]] = {}
        self._classes: dict[Level, _Buckets] = {}
        self._sizes = Sizes()

    def __len__(self) -> int:
        """The number of requests that wait."""
        return len(self._places)

    def add(self, request: Waiting) -> None:
        """Let a request wait."""
        self._sizes.add(request)
        level = request.level
        buckets = self._classes.get(level)
        if buckets is None:
            buckets = self._classes[level] = _Buckets()
        number = next(self._numbers)
        self._places[request.id] = buckets.add(request, number), number

    def discard(self, request: Waiting) -> None:
        """Forget a request."""
        self._sizes.remove(request)
        self._remove(request)

    def _remove(self, request: Waiting) -> None:
        bucket, number = self._places.pop(request.id)
        bucket.remove(request, number)
        if not bucket.levels:
            buckets = self._classes[request.level]
            del buckets.by_query[request.query]
            if not buckets.by_query:
                del self._classes[request.level]
        if not self._places:
            self._sizes.clear()

    def pick(self, slots: int | None, *, alone: bool = True, least: int = 0) -> list[Waiting]:
        """Take out the next batch."""
        batch = Batch(slots, self._sizes)
        for level in sorted(self._classes):
            buckets = self._classes[level]
            first = buckets.first()
            if batch.picked:
                if not _is_due(first, least):
                    break
            elif _may_start(first, slots, alone, least):
                batch.take(first)
            else:
                break
            if batch.full:
                break
            with closing(buckets.in_order(batch.picked[0].group)) as requests:
                while not batch.full and (request := next(requests, None)) is not None:
                    if request is not batch.picked[0]:
                        batch.take(request)
        for request in batch.picked:
            self._remove(request)
        return batch.picked


class _Buckets:
    """The buckets of one level.

    ``heaps`` has for each group the buckets with requests of it, each by a number that is not above
    that of its earliest request.
    """

    def __init__(self) -> None:
        self.by_query: dict[Hashable, _Bucket] = {}
        self.heaps: dict[Hashable, list[tuple[int, _Bucket]]] = {}

    def add(self, request: Waiting, number: int) -> _Bucket:
        bucket = self.by_query.get(request.query)
        if bucket is None:
            bucket = self.by_query[request.query] = _Bucket()
        if bucket.add(request, number):
            heap = self.heaps.setdefault(request.group, [])
            heapq.heappush(heap, (bucket.earliest(), bucket))
        return bucket

    def first(self) -> Waiting:
        """The first request of the deepest level of the first bucket."""
        heaps = [heap for group in list(self.heaps) if (heap := self._cleaned(group))]
        levels = min(heaps)[0][1].levels if len(heaps) > 1 else heaps[0][0][1].levels
        return next(iter(levels[max(levels)].values()))

    def in_order(self, group: Hashable) -> Generator[Waiting, None, None]:
        """The deepest level of each bucket with requests of the group, then the next of each."""
        order: list[tuple[_Bucket, list[int]]] = []
        seen: set[int] = set()
        try:
            while heap := self._cleaned(group):
                number, bucket = heapq.heappop(heap)
                if number not in seen:
                    seen.add(number)
                    levels = bucket.levels
                    depths = sorted(levels, reverse=True) if len(levels) > 1 else list(levels)
                    order.append((bucket, depths))
                    yield from bucket.levels[depths[0]].values()
            for rank in range(1, max((len(depths) for _, depths in order), default=0)):
                for bucket, depths in order:
                    if rank < len(depths):
                        yield from bucket.levels[depths[rank]].values()
        finally:
            heap = self.heaps.setdefault(group, [])
            for bucket, _ in order:
                heapq.heappush(heap, (bucket.earliest(), bucket))

    def _cleaned(self, group: Hashable) -> list[tuple[int, _Bucket]]:
        """The heap of a group, with a bucket that belongs there at its head; empty if none does."""
        heap = self.heaps.get(group)
        if heap is None:
            return []
        while heap:
            number, bucket = heap[0]
            if group not in bucket.groups:
                heapq.heappop(heap)
                continue
            earliest = bucket.earliest()
            if earliest == number:
                return heap
            heapq.heapreplace(heap, (earliest, bucket))  # what had come then has gone
        del self.heaps[group]
        return []


class _Bucket:
    """The requests of one query: levels by depth, each in the order of arrival."""

    __slots__ = ("_earliest", "groups", "levels")

    def __init__(self) -> None:
        self._earliest: int | None = None
        self.levels: dict[int, OrderedDict[int, Waiting]] = {}
        self.groups: dict[Hashable, int] = {}

    def add(self, request: Waiting, number: int) -> bool:
        """Add a request; returns whether it is the only one of its group."""
        level = self.levels.get(request.depth)
        if level is None:
            level = self.levels[request.depth] = OrderedDict()
        level[number] = request
        count = self.groups.get(request.group, 0)
        self.groups[request.group] = count + 1
        return not count

    def remove(self, request: Waiting, number: int) -> None:
        level, group = self.levels[request.depth], request.group
        del level[number]
        if number == self._earliest:
            self._earliest = None
        if not level:
            del self.levels[request.depth]
        self.groups[group] -= 1
        if not self.groups[group]:
            del self.groups[group]

    def earliest(self) -> int:
        """The number of the request that has waited longest."""
        if self._earliest is None:
            self._earliest = min([next(iter(level)) for level in self.levels.values()])
        return self._earliest


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
        queue = [request for request in self._waiting.values() if _is_due(request, least)]
        picked = self._pick(queue, slots) if queue else []
        if picked and not _may_start(picked[0], slots, alone):
            return []
        for request in picked:
            del self._waiting[request.id]
        return picked


def _may_start(first: Waiting, slots: int | None, alone: bool, least: int = 0) -> bool:
    """Whether the first of all requests may run now."""
    return _is_due(first, least) and (alone or slots is None or first.items <= slots)


def _is_due(request: Waiting, least: int) -> bool:
    """Whether it is no work ahead, or serves enough."""
    return not request.priority or request.serves >= least

"""The queue of topology-aware batching (paper, Algorithm 2)."""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Generator, Hashable
from contextlib import closing

from ayo_bridge.schedule.batch import Batch, Sizes
from ayo_bridge.schedule.waiting import Level, Waiting, is_due, may_start


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
                if not is_due(first, least):
                    break
            elif may_start(first, slots, alone, least):
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

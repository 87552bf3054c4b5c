"""A batch that a queue fills: what still fits, and when to look no further."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Final

from ayo_bridge.schedule.waiting import Waiting

MISFITS: Final = 16
"""Requests that a batch passes over, for they do not fit, before it is taken as full. Without a
bound a batch with one slot left would look through the whole queue for a request that small."""


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

"""How an engine scheduler picks its next batch: pure functions of the queue."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued request, as far as a policy needs to know it.

    ``arrival`` is in seconds of the scheduler's clock, ``depth`` the longest path from the
    request's primitive to the end of its query. ``items`` is what it takes of a batch.
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


Policy = Callable[[Sequence[Waiting], int | None], list[Waiting]]
"""Given the queue in arrival order and the slots of a batch (``None``: no bound), pick a batch.

A policy returns at least one request of a non-empty queue (work conservation), all of one group,
and no more items than the slots, except for a single request that is larger than a batch.
"""


class _Batch:
    """A batch that is being filled: keeps the group and the number of slots left."""

    def __init__(self, slots: int | None) -> None:
        self.picked: list[Waiting] = []
        self._left = slots

    def take(self, request: Waiting) -> bool:
        """Add the request if it fits."""
        if self.picked:
            group = self.picked[0].group
            if group is None or request.group != group:
                return False
            if self._left is not None and request.items > self._left:
                return False
        self.picked.append(request)
        if self._left is not None:
            self._left -= request.items
        return True

    @property
    def full(self) -> bool:
        if not self.picked:
            return False
        return self.picked[0].group is None or (self._left is not None and self._left <= 0)


def _fill(candidates: Iterable[Waiting], slots: int | None) -> list[Waiting]:
    batch = _Batch(slots)
    for request in candidates:
        batch.take(request)
        if batch.full:
            break
    return batch.picked


def _urgent_first(queue: Sequence[Waiting]) -> list[Waiting]:
    """Arrival order within each priority: work ahead never delays a request waited for."""
    return sorted(queue, key=lambda request: request.priority)


def per_invocation(queue: Sequence[Waiting], slots: int | None) -> list[Waiting]:
    """PO: the requests of one primitive of one query at a time, first come, first served."""
    if not queue:
        return []
    queue = _urgent_first(queue)
    first = queue[0]
    return _fill((r for r in queue if (r.query, r.node) == (first.query, first.node)), slots)


def throughput(queue: Sequence[Waiting], slots: int | None) -> list[Waiting]:
    """TO: fill the batch in order of arrival, blind to the queries."""
    return _fill(_urgent_first(queue), slots)


def topology(queue: Sequence[Waiting], slots: int | None) -> list[Waiting]:
    """Topology-aware batching (paper, Algorithm 2).

    Requests are put in buckets by query, buckets in order of the earliest arrival in each. The
    highest depth of every bucket goes first, bucket by bucket; slots that are left go to the next
    depth of the same bucket order. The check is the paper's Fig. 7: queued A4, B2 | G3, H4 with
    two slots give [A, H].
    """
    return _fill(_by_topology(queue), slots)


def _by_topology(queue: Sequence[Waiting]) -> Iterable[Waiting]:
    for priority in sorted({request.priority for request in queue}):
        buckets: dict[Hashable, list[Waiting]] = {}
        for request in queue:
            if request.priority == priority:
                buckets.setdefault(request.query, []).append(request)
        order = sorted(buckets.values(), key=lambda bucket: min(r.arrival for r in bucket))
        levels = [_by_depth(bucket) for bucket in order]
        for rank in range(max(map(len, levels))):
            for bucket_levels in levels:
                if rank < len(bucket_levels):
                    yield from bucket_levels[rank]


def _by_depth(bucket: list[Waiting]) -> list[list[Waiting]]:
    levels: dict[int, list[Waiting]] = {}
    for request in bucket:
        levels.setdefault(request.depth, []).append(request)
    return [levels[depth] for depth in sorted(levels, reverse=True)]


POLICIES: Final[dict[str, Policy]] = {
    "per_invocation": per_invocation,
    "throughput": throughput,
    "topology": topology,
}

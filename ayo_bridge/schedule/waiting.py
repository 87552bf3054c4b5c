"""What a policy knows of a request that waits, and what an engine scheduler asks of a queue."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, Protocol

Level = tuple[int, int]
"""Of priorities, and of how many calls work ahead serves: lower goes first."""


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
    def level(self) -> Level:
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


def may_start(first: Waiting, slots: int | None, alone: bool, least: int = 0) -> bool:
    """Whether the first of all requests may run now."""
    return is_due(first, least) and (alone or slots is None or first.items <= slots)


def is_due(request: Waiting, least: int) -> bool:
    """Whether it is no work ahead, or serves enough."""
    return not request.priority or request.serves >= least

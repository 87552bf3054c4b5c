"""How an engine scheduler picks its next batch: pure decisions over the requests that wait."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ayo_bridge.errors import ArgumentError
from ayo_bridge.schedule.queues import FunctionQueue, Rank, RankedQueue
from ayo_bridge.schedule.topology_queue import TopologyQueue
from ayo_bridge.schedule.waiting import Queue, Waiting
from ayo_bridge.seam import EngineKind

Policy = Callable[[Sequence[Waiting], int | None], list[Waiting]]
"""Given the queue in arrival order and the slots of a batch (``None``: no bound), pick a batch.

A policy returns at least one request of a non-empty queue (work conservation), all of one group,
and no more items than the slots, except for a single request that is larger than a batch.

Any function will do. Those in :data:`POLICIES` do not look at the whole queue for each batch.
"""


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """A policy that keeps its own queue. Called as a function, it says what that would pick.

    With ``steps_back``, work ahead (``priority`` above 0) that serves n calls starts on an engine
    that batches by itself only while one of its instances runs fewer than 2n - 1 sequences.
    """

    name: str
    queue: Callable[[], Queue]
    steps_back: bool = False

    def __call__(self, queue: Sequence[Waiting], slots: int | None) -> list[Waiting]:
        """The first batch of requests that arrived in this order."""
        made = self.queue()
        for request in queue:
            made.add(request)
        return made.pick(slots)


def queue_of(policy: Policy) -> Queue:
    """An empty queue that picks batches as the policy does."""
    return policy.queue() if isinstance(policy, QueuePolicy) else FunctionQueue(policy)


def _as_it_came(request: Waiting) -> Rank:
    return 0.0, 0.0


def _invocation(request: Waiting) -> Hashable:
    return request.query, request.node, request.group


def _expected_end(request: Waiting) -> Rank:
    return request.since + request.left, -request.remaining


per_invocation: Final = QueuePolicy("per_invocation", lambda: RankedQueue(_as_it_came, _invocation))
"""PO: the requests of one primitive of one query at a time, first come, first served."""

throughput: Final = QueuePolicy("throughput", lambda: RankedQueue(_as_it_came))
"""TO: fill the batch in order of arrival, blind to the queries."""

topology: Final = QueuePolicy("topology", TopologyQueue)
"""Topology-aware batching (paper, Algorithm 2).

Requests are put in buckets by query, buckets in order of the earliest arrival in each. The highest
depth of every bucket goes first, bucket by bucket; slots that are left go to the next depth of the
same bucket order. The check is the paper's Fig. 7: queued A4, B2 | G3, H4 with two slots give
[A, H].
"""

critical_path: Final = QueuePolicy(
    "critical_path", lambda: RankedQueue(_expected_end), steps_back=True
)
"""Whoever would end first goes first: age and remaining critical path, a second for a second.

A request's rank is the time at which its query would end if nothing stood in its way; of one query
the longest path goes first. A rank never changes, and what is submitted after that time comes after
it: nobody starves. Every prefilling holds up the sequences that decode, so a prefix warm for one
call waits until an instance of the LLM has nothing to do; one for several calls, which takes work
off the LLM, waits less long.

On the paper's advanced app (``python -m benchmarks.paper fig11``) mean latency is 7 to 27 % below
that of :data:`topology` and the p95 1 to 25 %, by rate. Both the order and the stepping back have a
part in it. Tried and dropped, for none was better in mean and p95 alike: least attained service,
the earliest query first, the shortest remaining path, other weights of the path, least slack.
"""

POLICIES: Final[dict[str, QueuePolicy]] = {
    policy.name: policy for policy in (per_invocation, throughput, topology, critical_path)
}

DEFAULT: Final = topology

Policies = str | Policy | Mapping[EngineKind, str | Policy]
"""One policy for every engine, or one by kind; a name in :data:`POLICIES`, or a function."""


def policy_for(kind: EngineKind, chosen: Policies | None = None) -> Policy:
    """The policy of the engines of a kind; :data:`DEFAULT` where none was chosen.

    Raises:
        ArgumentError: there is no policy of that name, or no such kind of engine.
    """
    if isinstance(chosen, Mapping):
        if unknown := [f"{key!r}" for key in chosen if key not in set(EngineKind)]:
            kinds = ", ".join(EngineKind)
            raise ArgumentError(f"no kind of engine is called {', '.join(unknown)}: take {kinds}")
        chosen = chosen.get(kind)
    if chosen is None:
        return DEFAULT
    if callable(chosen):
        return chosen
    if not isinstance(chosen, str) or chosen not in POLICIES:
        raise ArgumentError(
            f"no policy is called {chosen!r}: take {', '.join(POLICIES)}, or a function"
        )
    return POLICIES[chosen]

"""Batches that the policies pick, without any engine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ayo_bridge.schedule import POLICIES, Waiting, per_invocation, throughput, topology


def waiting(
    node: str, query: int, depth: int, arrival: float, *, items: int = 1, priority: int = 0
) -> Waiting:
    return Waiting(
        id=int(arrival * 100) * 100 + ord(node[0]),
        query=query,
        node=node,
        depth=depth,
        arrival=arrival,
        items=items,
        group="prefill",
        priority=priority,
    )


FIG7 = [
    waiting("A", 0, 4, 0.00, items=512),
    waiting("B", 0, 2, 0.01, items=512),
    waiting("G", 1, 3, 0.02, items=512),
    waiting("H", 1, 4, 0.03, items=512),
]
"""The paper's Fig. 7: two queries, prefills of 512 tokens, a budget of 1024."""


def nodes(batch: list[Waiting]) -> list[str]:
    return [request.node for request in batch]


def test_topology_takes_the_deepest_of_each_query_as_in_fig_7() -> None:
    assert nodes(topology(FIG7, 1024)) == ["A", "H"]


def test_throughput_is_blind_to_the_graph_as_in_fig_7() -> None:
    assert nodes(throughput(FIG7, 1024)) == ["A", "B"]


def test_per_invocation_serves_one_primitive_of_one_query() -> None:
    assert nodes(per_invocation(FIG7, 1024)) == ["A"]
    queue = [
        waiting("A", 0, 1, 0.0),
        waiting("B", 1, 1, 0.1),
        waiting("A", 0, 1, 0.2),
    ]
    assert [(r.query, r.node) for r in per_invocation(queue, 8)] == [(0, "A"), (0, "A")]


def test_topology_gives_left_over_slots_to_the_next_depth() -> None:
    assert nodes(topology(FIG7, 2048)) == ["A", "H", "B", "G"]
    assert nodes(topology(FIG7, 1536)) == ["A", "H", "B"]


def test_work_ahead_never_delays_a_request_that_is_waited_for() -> None:
    queue = [waiting("W", 0, 9, 0.0, priority=1), waiting("A", 1, 1, 0.1)]
    for policy in POLICIES.values():
        assert nodes(policy(queue, 1)) == ["A"]


def test_a_request_larger_than_a_batch_runs_alone() -> None:
    queue = [waiting("A", 0, 1, 0.0, items=4096), waiting("B", 1, 1, 0.1, items=1)]
    for policy in POLICIES.values():
        assert nodes(policy(queue, 1024)) == ["A"]


requests = st.builds(
    Waiting,
    id=st.integers(),
    query=st.integers(0, 4),
    node=st.sampled_from("ABCD"),
    depth=st.integers(1, 5),
    arrival=st.floats(0, 10),
    items=st.integers(1, 8),
    group=st.sampled_from([None, "x", "y"]),
    priority=st.integers(0, 1),
)


@given(
    queue=st.lists(requests, max_size=20, unique_by=lambda r: r.id),
    slots=st.none() | st.integers(1, 16),
    name=st.sampled_from(sorted(POLICIES)),
)
def test_every_policy_conserves_work_and_keeps_to_the_batch(
    queue: list[Waiting], slots: int | None, name: str
) -> None:
    batch = POLICIES[name](queue, slots)
    assert bool(batch) == bool(queue)
    assert len({r.id for r in batch}) == len(batch)
    assert all(r in queue for r in batch)
    if len(batch) > 1:
        assert len({r.group for r in batch}) == 1
        assert batch[0].group is not None
        assert slots is None or sum(r.items for r in batch) <= slots
    if batch:
        assert batch[0].priority == min(r.priority for r in queue)

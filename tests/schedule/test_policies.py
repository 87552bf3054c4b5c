"""Batches that the policies pick, without any engine."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ayo_bridge import Runtime
from ayo_bridge.schedule import (
    DEFAULT,
    POLICIES,
    Policies,
    Waiting,
    critical_path,
    per_invocation,
    policy_for,
    throughput,
    topology,
)
from ayo_bridge.schedule.policies import queue_of
from ayo_bridge.seam import EngineKind
from ayo_bridge.workflow import App


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
    serves=st.integers(1, 3),
    since=st.floats(0, 10),
    remaining=st.floats(0, 20),
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


# Critical path.


def under_way(
    node: str, query: int, *, since: float, remaining: float, left: float | None = None
) -> Waiting:
    return Waiting(
        id=ord(node),
        query=query,
        node=node,
        depth=1,
        arrival=10.0,
        group="prefill",
        since=since,
        remaining=remaining,
        left=remaining if left is None else left,
    )


def test_a_query_that_came_earlier_goes_first() -> None:
    queue = [under_way("A", 0, since=2.0, remaining=5.0), under_way("B", 1, since=1.0, remaining=5)]
    assert nodes(critical_path(queue, 1)) == ["B"]


def test_of_queries_of_one_age_that_with_less_left_goes_first() -> None:
    queue = [under_way("A", 0, since=1.0, remaining=5.0), under_way("B", 1, since=1.0, remaining=4)]
    assert nodes(critical_path(queue, 1)) == ["B"]


def test_of_one_query_what_its_end_waits_for_goes_first() -> None:
    queue = [
        under_way("A", 0, since=1.0, remaining=2.0, left=5.0),
        under_way("B", 0, since=1.0, remaining=5.0, left=5.0),
    ]
    assert nodes(critical_path(queue, 1)) == ["B"]


@given(
    left=st.floats(0, 100),
    remaining=st.floats(0, 100),
    others=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 50)), max_size=200),
    slots=st.integers(1, 3),
)
def test_the_critical_path_starves_nobody(
    left: float, remaining: float, others: list[tuple[float, float]], slots: int
) -> None:
    """Whoever is submitted after a query would have ended alone comes after it.

    ``others`` are queries ``(pause, remaining)`` in the order of their arrival; they come faster
    than they are served, one batch for every five.
    """
    queue = queue_of(critical_path)
    patient = under_way("A", -1, since=0.0, remaining=min(remaining, left), left=left)
    queue.add(patient)
    now = 0.0
    for number, (pause, path) in enumerate(others):
        now += pause
        queue.add(
            Waiting(
                number + 1000,
                number,
                "B",
                1,
                now,
                group="prefill",
                since=now,
                remaining=path,
                left=path,
            )
        )
        picked = queue.pick(slots) if number % 5 == 4 else []
        if patient in picked:
            return
        assert all(request.since <= patient.left for request in picked)
    while patient not in (picked := queue.pick(slots)):
        assert all(request.since <= patient.left for request in picked)


def test_a_policy_is_chosen_for_all_engines_or_by_kind() -> None:
    def first(queue: Sequence[Waiting], slots: int | None) -> list[Waiting]:
        return list(queue[:1])

    by_kind: Policies = {EngineKind.LLM: "critical_path", EngineKind.EMBEDDING: first}
    assert policy_for(EngineKind.LLM) is DEFAULT
    assert policy_for(EngineKind.LLM, "throughput") is throughput
    assert policy_for(EngineKind.LLM, by_kind) is critical_path
    assert policy_for(EngineKind.EMBEDDING, by_kind) is first
    assert policy_for(EngineKind.RERANKER, by_kind) is DEFAULT


@pytest.mark.parametrize("of", [Runtime, App])
@pytest.mark.parametrize("policies", ["fastest", {EngineKind.LLM: "fastest"}])
def test_an_unknown_policy_is_refused_at_once(
    of: type[Runtime | App], policies: str | dict[EngineKind, str]
) -> None:
    with pytest.raises(ValueError, match="no policy is called 'fastest': take per_invocation, "):
        of(policies=policies)


@pytest.mark.parametrize("of", [Runtime, App])
def test_a_policy_for_an_unknown_kind_of_engine_is_refused_at_once(of: type[Runtime | App]) -> None:
    with pytest.raises(ValueError, match="no kind of engine is called 'llms': take llm, "):
        of(policies={"llms": "throughput"})  # type: ignore[dict-item]

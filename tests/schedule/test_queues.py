"""Queues that are kept pick what a function of the whole queue would, whatever comes and goes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ayo_bridge.schedule import POLICIES, Waiting
from ayo_bridge.schedule.batch import MISFITS
from ayo_bridge.schedule.policies import queue_of

Whole = Sequence[Waiting]


def fill(candidates: Iterable[Waiting], slots: int | None) -> list[Waiting]:
    """What fits of the candidates, in their order, into one batch."""
    picked: list[Waiting] = []
    for request in candidates:
        if not picked:
            picked.append(request)
        elif picked[0].group is None or (slots is not None and sum_of(picked) >= slots):
            break
        elif request.group == picked[0].group and (
            slots is None or sum_of(picked) + request.items <= slots
        ):
            picked.append(request)
    return picked


def sum_of(requests: Iterable[Waiting]) -> int:
    return sum(request.items for request in requests)


def urgent_first(queue: Whole) -> list[Waiting]:
    return sorted(queue, key=lambda r: r.level)


def per_invocation(queue: Whole) -> Iterable[Waiting]:
    first = urgent_first(queue)[0]
    return [r for r in urgent_first(queue) if (r.query, r.node) == (first.query, first.node)]


def topology(queue: Whole) -> Iterable[Waiting]:
    for level in sorted({r.level for r in queue}):
        buckets: dict[Hashable, list[Waiting]] = {}
        for request in queue:
            if request.level == level:
                buckets.setdefault(request.query, []).append(request)
        order = sorted(buckets.values(), key=lambda bucket: min(r.arrival for r in bucket))
        levels = [
            [[r for r in bucket if r.depth == depth] for depth in sorted(depths, reverse=True)]
            for bucket in order
            if (depths := {r.depth for r in bucket})
        ]
        for rank in range(max(map(len, levels))):
            for each in levels:
                if rank < len(each):
                    yield from each[rank]


def critical_path(queue: Whole) -> Iterable[Waiting]:
    return sorted(queue, key=lambda r: (r.level, r.since + r.left, -r.remaining))


WHOLE: dict[str, Callable[[Whole], Iterable[Waiting]]] = {
    "per_invocation": per_invocation,
    "throughput": urgent_first,
    "topology": topology,
    "critical_path": critical_path,
}

seconds = st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.0])
requests = st.fixed_dictionaries(
    {
        "query": st.integers(0, 3),
        "depth": st.integers(1, 3),
        "items": st.integers(1, 6),
        "node": st.sampled_from("AB"),
        "group": st.sampled_from([None, "x", "y"]),
        "priority": st.sampled_from([0, 0, 0, 1]),
        "serves": st.integers(1, 3),
        "since": seconds,
        "remaining": seconds,
        "left": seconds,
    }
)
events = st.lists(
    requests | st.integers(0, 40) | st.tuples(st.none() | st.integers(1, 12), st.integers(0, 3)),
    max_size=40,
)


def test_every_policy_is_checked() -> None:
    assert set(WHOLE) == set(POLICIES)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=events, name=st.sampled_from(sorted(POLICIES)))
def test_a_queue_picks_what_a_look_at_all_of_it_would(events: list[object], name: str) -> None:
    """Numbers discard a request, pairs pick a batch, everything else is added."""
    queue = queue_of(POLICIES[name])
    waiting: list[Waiting] = []
    for now, event in enumerate(events):
        if isinstance(event, dict):
            request = Waiting(id=now, arrival=float(now), **event)
            queue.add(request)
            waiting.append(request)
        elif isinstance(event, int) and waiting:
            queue.discard(waiting.pop(event % len(waiting)))
        elif isinstance(event, tuple):
            slots, least = event
            allowed = [r for r in waiting if not r.priority or r.serves >= least]
            expected = fill(WHOLE[name](allowed), slots) if allowed else []
            assert queue.pick(slots, least=least) == expected
            waiting = [r for r in waiting if r not in expected]
        assert len(queue) == len(waiting)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_what_may_not_run_alone_waits_until_it_fits(name: str) -> None:
    queue = queue_of(POLICIES[name])
    request = Waiting(0, 0, "A", 1, 0.0, items=5)
    queue.add(request)
    assert queue.pick(4, alone=False) == []
    assert queue.pick(5, alone=False) == [request]


@pytest.mark.parametrize("name", ["throughput", "topology", "critical_path"])
def test_a_batch_looks_only_so_far_for_what_fits(name: str) -> None:
    queue = queue_of(POLICIES[name])
    sizes = [1, 5, *[9] * MISFITS, 5, 1]
    added = [Waiting(i, i, "A", 1, float(i), items=n, group="x") for i, n in enumerate(sizes)]
    for request in added:
        queue.add(request)
    assert queue.pick(8) == added[:2]
    assert queue.pick(11) == [added[2]]


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_nothing_is_kept_of_what_has_gone(name: str) -> None:
    queue = queue_of(POLICIES[name])
    for turn in range(3):
        added = [Waiting(i, i % 7, "A", i % 3 + 1, float(i), group=i % 2) for i in range(50)]
        for request in added:
            queue.add(request)
        for request in added[::3]:
            queue.discard(request)
        while queue.pick(4):
            pass
        assert len(queue) == 0, turn
        held = [getattr(queue, slot) for slot in vars(queue)]
        assert not any(held_by for held_by in held if isinstance(held_by, dict | list))


def test_a_policy_may_be_any_function() -> None:
    queue = queue_of(lambda waiting, slots: [waiting[-1]])
    added = [Waiting(i, i, "A", 1, float(i)) for i in range(3)]
    for request in added:
        queue.add(request)
    queue.discard(added[1])
    assert [queue.pick(None), queue.pick(None), queue.pick(None)] == [[added[2]], [added[0]], []]

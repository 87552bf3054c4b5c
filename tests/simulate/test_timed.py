"""Simulated batch engines and remote APIs in virtual time."""

from __future__ import annotations

import statistics

import pytest

from ayo_bridge.profile import Curve, EngineProfile
from ayo_bridge.schedule.placement import run_batch
from ayo_bridge.seam import AsyncEngine, BatchEngine, Call, Limits
from ayo_bridge.simulate import (
    ApiRequest,
    BatchRequest,
    Busy,
    LogNormal,
    SimulatedBatchEngine,
    SimulatedSearchApi,
    load_profiles,
)
from tests.simulate.driving import drive

EMBEDDING = load_profiles().batches["bge-large-en-v1.5@1x3090"]
STORE = {
    "insert": EngineProfile("vector_store", Curve.of([(1, 0.010), (100, 0.109)])),
    "search": EngineProfile("vector_store", Curve.of([(1, 0.002), (2, 0.004)])),
}


def embeddings(*items: int) -> list[tuple[float, Call]]:
    engine = SimulatedBatchEngine("e", EMBEDDING)
    return [(0.0, engine.call(n, BatchRequest(result=n), size)) for n, size in enumerate(items)]


def test_a_batch_takes_what_its_curve_says() -> None:
    outcome = drive(lambda busy: SimulatedBatchEngine("e", EMBEDDING), embeddings(26))
    assert outcome.ended == [pytest.approx(0.053)]
    assert outcome.result == [0]


def test_what_queues_up_shares_batches_of_at_most_b_star() -> None:
    outcome = drive(
        lambda busy: SimulatedBatchEngine("e", EMBEDDING, trace=busy.append),
        embeddings(1, 100, 20, 8, 1),
    )
    # b* is 128. The first runs alone: the scheduler waits for nobody.
    assert [(busy.calls, busy.items) for busy in outcome.busy] == [(1, 1), (3, 128), (1, 1)]
    assert outcome.ended == pytest.approx([0.033, 0.194, 0.194, 0.194, 0.227])


@pytest.mark.parametrize("prefetch", [0, 1])
def test_with_prefetch_an_engine_need_not_wait_for_its_next_batch(prefetch: int) -> None:
    limits = Limits(max_items=10, prefetch=prefetch)
    outcome = drive(
        lambda busy: SimulatedBatchEngine("e", EMBEDDING, limits=limits, trace=busy.append),
        embeddings(*[10] * 5),
        delay=0.005,
    )
    idle = [b.start - a.end for a, b in zip(outcome.busy, outcome.busy[1:], strict=False)]
    # The round trip, and with prefetch only once there is no backlog any more.
    assert idle == pytest.approx([0.0, 0.0, 0.0, 0.01] if prefetch else [0.01] * 4)
    assert outcome.result == [0, 1, 2, 3, 4]


def test_a_batch_that_waits_at_its_engine_can_be_aborted() -> None:
    limits = Limits(max_items=1, prefetch=1)
    outcome = drive(
        lambda busy: SimulatedBatchEngine("e", EMBEDDING, limits=limits),
        embeddings(1, 1, 1, 1),
        aborts=[(0.01, 1)],
    )
    assert outcome.result == [0, "cancelled", 2, 3]
    assert outcome.ended == pytest.approx([0.033, 0.01, 0.066, 0.099])


def test_instances_work_side_by_side() -> None:
    limits = Limits(instances=2, max_items=8)
    outcome = drive(
        lambda busy: SimulatedBatchEngine("e", EMBEDDING, limits=limits, trace=busy.append),
        embeddings(3, 3, 3),
    )
    assert outcome.ended == pytest.approx([0.036, 0.036, 0.072])
    assert [busy.instance for busy in outcome.busy] == [0, 1, 0]


def test_operations_of_a_store_share_no_batch() -> None:
    maker = SimulatedBatchEngine("s", STORE)
    calls = [
        maker.call("first", BatchRequest("search")),
        maker.call("rows", BatchRequest("insert"), 100),
        maker.call("one", BatchRequest("search"), 3),
        maker.call("more", BatchRequest("insert"), 50),
    ]
    outcome = drive(
        lambda busy: SimulatedBatchEngine("s", STORE, trace=busy.append),
        [(0.0, call) for call in calls],
    )
    assert [busy.items for busy in outcome.busy] == [1, 150, 3]
    assert outcome.ended == pytest.approx([0.002, 0.161, 0.167, 0.161])


def test_a_batch_that_has_started_runs_to_its_end() -> None:
    outcome = drive(
        lambda busy: SimulatedBatchEngine("e", EMBEDDING),
        embeddings(26, 1, 1),
        aborts=[(0.01, 0), (0.01, 1)],
    )
    assert outcome.ended == pytest.approx([0.053, 0.01, 0.053 + 0.033])
    assert outcome.result == [0, "cancelled", 2]


def test_a_call_may_fail_and_a_wrong_payload_does() -> None:
    maker = SimulatedBatchEngine("e", EMBEDDING)
    calls = [
        maker.call(0, BatchRequest(result=OSError("down"))),
        Call("e", 1, "text"),
        maker.call(2, BatchRequest("nothing")),
    ]
    outcome = drive(
        lambda busy: SimulatedBatchEngine("e", EMBEDDING), [(0.0, call) for call in calls]
    )
    assert [type(result) for result in outcome.result] == [OSError, TypeError, KeyError]


def test_it_is_a_batch_engine_like_any_other() -> None:
    engine = SimulatedBatchEngine("e", EMBEDDING)
    assert isinstance(engine, BatchEngine)
    assert run_batch(engine, [call for _, call in embeddings(1, 1)]) == [0, 1]


def test_an_api_takes_all_calls_at_once() -> None:
    api = SimulatedSearchApi("web", LogNormal(0.5, sigma=0.0))
    assert isinstance(api, AsyncEngine)
    calls = [(0.1 * n, api.call(n, ApiRequest(n))) for n in range(3)]
    outcome = drive(lambda busy: api, calls)
    assert outcome.ended == pytest.approx([0.5, 0.6, 0.7])
    assert outcome.result == [0, 1, 2]


def test_latency_follows_from_seed_and_key_in_whatever_order() -> None:
    api = SimulatedSearchApi("web", LogNormal(0.5), seed=3)
    calls = [api.call(("query", n), ApiRequest()) for n in range(400)]
    one = {call.key: api.seconds(call) for call in calls}
    other = {call.key: api.seconds(call) for call in reversed(calls)}
    assert one == other
    assert statistics.median(one.values()) == pytest.approx(0.5, rel=0.05)
    assert one[("query", 0)] == pytest.approx(0.6559603)
    assert SimulatedSearchApi("web", LogNormal(0.5), seed=4).seconds(calls[0]) != one[calls[0].key]


def test_an_aborted_api_call_ends_at_once() -> None:
    def make(busy: list[Busy]) -> SimulatedSearchApi:
        return SimulatedSearchApi("web", LogNormal(0.5, sigma=0.0), trace=busy.append)

    api = make([])
    outcome = drive(make, [(0.0, api.call(0, ApiRequest()))], aborts=[(0.2, 0)])
    assert outcome.ended == pytest.approx([0.2])
    assert outcome.result == ["cancelled"]
    assert [busy.end for busy in outcome.busy] == pytest.approx([0.2])

"""The engine scheduler with an engine that ends batches when the test says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field

import pytest

from ayo_bridge.schedule import (
    Elsewhere,
    EngineScheduler,
    Policy,
    Request,
    ThreadPlacement,
    critical_path,
    throughput,
    topology,
)
from ayo_bridge.schedule.placement import run_batch
from ayo_bridge.schedule.request import Abortable, Done
from ayo_bridge.seam import BatchEngine, Call, EngineKind, Limits


@dataclass
class Engine(BatchEngine):
    """Doubles numbers; refuses negative ones."""

    name: str = "double"
    kind: EngineKind = EngineKind.EMBEDDING
    limits: Limits = field(default_factory=Limits)

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        if any(call.payload < 0 for call in calls):  # type: ignore[operator]
            raise ValueError("negative")
        return [call.payload * 2 for call in calls]  # type: ignore[operator]


class Manual:
    """A placement whose batches end when :meth:`end` is called."""

    def __init__(self) -> None:
        self.running: list[tuple[Sequence[Call], Done]] = []
        self.aborted = 0

    def start(
        self, engine: object, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        self.running.append((calls, done))

        def abort() -> None:
            self.aborted += 1
            done([CancelledError() for _ in calls])

        abortable(abort)

    def end(self) -> list[object]:
        calls, done = self.running.pop(0)
        done(run_batch(Engine(), calls))
        return [call.payload for call in calls]


def call(payload: int, group: str | None = "g", **options: object) -> Call:
    return Call("double", payload, payload, group=group, **options)  # type: ignore[arg-type]


@pytest.fixture
def placement() -> Manual:
    return Manual()


def scheduler(placement: Manual, **limits: object) -> EngineScheduler:
    engine = Engine(limits=Limits(**limits))  # type: ignore[arg-type]
    return EngineScheduler(engine, throughput, placement, lambda: 0.0)


def test_what_queues_while_an_instance_works_is_fused(placement: Manual) -> None:
    tier = scheduler(placement)
    requests = [tier.submit(call(n), query=n, node="embed") for n in range(4)]
    assert [placement.end(), placement.end()] == [[0], [1, 2, 3]]
    assert [request.future.result(0) for request in requests] == [0, 2, 4, 6]
    assert [request.record.batch for request in requests] == [1, 3, 3, 3]


def test_a_batch_is_no_larger_than_its_limit(placement: Manual) -> None:
    tier = scheduler(placement, max_items=2)
    for n in range(5):
        tier.submit(call(n), query=n, node="embed")
    assert [placement.end() for _ in range(3)] == [[0], [1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("limits", "wrong"),
    [
        ({"instances": 0}, "instances"),
        ({"max_items": 0}, "max_items"),
        ({"prefetch": -1}, "0, not"),
    ],
)
def test_limits_under_which_nothing_could_run_are_refused(
    limits: dict[str, int], wrong: str
) -> None:
    with pytest.raises(ValueError, match=wrong):
        Limits(**limits)  # type: ignore[arg-type]


def test_a_busy_engine_is_handed_full_batches_of_a_backlog_only(placement: Manual) -> None:
    engine = Engine(limits=Limits(max_items=2, prefetch=1))
    tier = EngineScheduler(engine, throughput, placement, lambda: 0.0)
    requests = [tier.submit(call(n), query=n, node="embed") for n in range(4)]

    def running() -> list[list[object]]:
        return [[call.payload for call in calls] for calls, _ in placement.running]

    assert running() == [[0]], "what waits fills two batches with the next one only"
    requests.append(tier.submit(call(4), query=4, node="embed"))
    assert running() == [[0], [1, 2]]
    tier.cancel(requests[3])
    assert placement.end() == [0]
    assert running() == [[1, 2]], "no backlog is left"
    assert placement.end() == [1, 2]
    assert placement.end() == [4]


def test_calls_of_other_groups_are_not_fused(placement: Manual) -> None:
    tier = scheduler(placement)
    for n, group in enumerate(["a", "a", "b", "a", None, None]):
        tier.submit(call(n, group), query=n, node="embed")
    assert [placement.end() for _ in range(5)] == [[0], [1, 3], [2], [4], [5]]


def test_a_failed_batch_fails_only_the_call_that_is_to_blame(placement: Manual) -> None:
    tier = scheduler(placement)
    tier.submit(call(0), query=0, node="embed")
    good, bad = (tier.submit(call(n), query=n, node="embed") for n in (1, -1))
    placement.end()
    placement.end()
    assert good.future.result(0) == 2
    with pytest.raises(ValueError, match="negative"):
        bad.future.result(0)


def test_a_cancelled_request_leaves_the_queue_and_reports(placement: Manual) -> None:
    tier = scheduler(placement)
    ended: list[int] = []
    tier.submit(call(0), query=0, node="embed")
    doomed = tier.submit(call(1), query=1, node="embed", on_done=lambda r: ended.append(1))
    tier.cancel(doomed)
    assert doomed.future.cancelled()
    assert ended == [1]
    placement.end()
    assert not placement.running


def test_a_running_request_is_aborted(placement: Manual) -> None:
    tier = scheduler(placement)
    running = tier.submit(call(0), query=0, node="embed")
    tier.cancel(running)
    assert placement.aborted == 1
    assert running.future.cancelled()
    assert tier.running == 0


def test_a_continuous_engine_admits_up_to_its_budget(placement: Manual) -> None:
    tier = scheduler(placement, continuous=True, max_items=10)
    for n in range(4):
        tier.submit(call(n, None, items=4), query=n, node="prefill")
    assert len(placement.running) == 2
    placement.end()
    assert len(placement.running) == 2


def test_an_idle_engine_serves_in_the_calling_thread(placement: Manual) -> None:
    tier = scheduler(placement)
    here, result = tier.run_here(call(1), lambda: threading.get_ident())
    assert (here, result) == (True, threading.get_ident())
    tier.submit(call(0), query=0, node="embed")
    assert tier.run_here(call(1), lambda: 0) == (False, None)
    placement.end()
    assert tier.run_here(call(1), lambda: 0) == (True, 0)


def test_a_call_that_shares_no_batch_is_served_in_its_caller_s_thread_at_once(
    placement: Manual,
) -> None:
    tier = scheduler(placement)
    tier.submit(call(0), query=0, node="embed")

    def meanwhile() -> int:
        tier.submit(call(5), query=0, node="embed")
        assert placement.end() == [0]
        assert placement.running  # It takes no instance, and holds up nobody.
        assert tier.idle_seconds() == 0
        assert tier.run_if_idle(lambda: 0) == (False, None)
        return 7

    assert tier.run_here(call(1, None), meanwhile) == (True, 7)
    assert placement.end() == [5]
    assert tier.run_if_idle(lambda: 8) == (True, 8)


def test_an_engine_elsewhere_serves_in_the_calling_thread_only_what_must_not_queue(
    placement: Manual,
) -> None:
    tier = scheduler(placement)
    tier.engine.elsewhere = True
    assert tier.run_here(call(1), lambda: 0) == (False, None)
    assert tier.run_here(call(1, None), lambda: 0) == (False, None)
    assert tier.run_here(call(1), lambda: 0, queue=False) == (True, 0)


class Far(Manual, Elsewhere):
    """A placement that is told of the places that calls have in their queries."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[tuple[int, float]] = []

    def start_requests(
        self,
        engine: object,
        requests: Sequence[Request],
        now: float,
        done: Done,
        abortable: Abortable,
    ) -> None:
        self.places += [(request.waiting.depth, now) for request in requests]
        self.start(engine, [request.call for request in requests], done, abortable)


def test_a_placement_elsewhere_learns_what_its_own_scheduler_has_to_know() -> None:
    far = Far()
    tier = EngineScheduler(Engine(), throughput, far, lambda: 7.0)
    request = tier.submit(call(2), query=0, node="embed", depth=3)
    assert far.end() == [2]
    assert request.future.result(0) == 4
    assert far.places == [(3, 7.0)]


def test_measuring_takes_all_instances(placement: Manual) -> None:
    tier = scheduler(placement, instances=2)

    def meanwhile() -> None:
        tier.submit(call(5), query=0, node="embed")
        assert not placement.running

    assert tier.run_if_idle(meanwhile)[0]
    assert placement.end() == [5]


def test_what_queued_during_a_call_in_the_calling_thread_runs_after_it(placement: Manual) -> None:
    tier = scheduler(placement)

    def meanwhile() -> None:
        tier.submit(call(5), query=0, node="embed")
        assert not placement.running

    tier.run_here(call(1), meanwhile)
    assert placement.end() == [5]


def test_many_threads_lose_no_request() -> None:
    placement = ThreadPlacement("double", 1)
    tier = EngineScheduler(Engine(), throughput, placement, lambda: 0.0)
    results: list[object] = []

    def work(start: int) -> None:
        for n in range(start, start + 50):
            results.append(tier.submit(call(n), query=start, node="embed").future.result(30))

    threads = [threading.Thread(target=work, args=(n * 50,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    placement.close()
    assert sorted(results) == [2 * n for n in range(400)]  # type: ignore[type-var]
    assert tier.depth == 0


def test_idle_threads_end_and_others_come_with_the_next_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ayo_bridge.schedule.placement.IDLE_SECONDS", 0.05)
    loop = asyncio.new_event_loop()
    looks_after = threading.Thread(target=loop.run_forever)
    looks_after.start()
    placement = ThreadPlacement("idle", 2, loop)
    tier = EngineScheduler(Engine(), throughput, placement, lambda: 0.0)

    def its_threads() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name.startswith("ayo-bridge idle")]

    for n in range(2):
        assert tier.submit(call(n), query=n, node="embed").future.result(30) == 2 * n
        (thread,) = its_threads()
        thread.join(30)  # Nobody tells it to.
        assert its_threads() == []
    placement.close()
    loop.call_soon_threadsafe(loop.stop)
    looks_after.join()
    loop.close()


def test_threads_of_a_closed_placement_are_no_longer_looked_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ayo_bridge.schedule.placement.IDLE_SECONDS", 0.01)
    loop = asyncio.new_event_loop()
    failed: list[object] = []
    loop.set_exception_handler(lambda loop, context: failed.append(context))
    placement = ThreadPlacement("closed", 1, loop)
    tier = EngineScheduler(Engine(), throughput, placement, lambda: 0.0)
    assert tier.submit(call(1), query=0, node="embed").future.result(30) == 2
    placement.close()
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()
    assert failed == []


def test_b_star_bounds_a_batch_where_the_limits_do_not(placement: Manual) -> None:
    tier = EngineScheduler(Engine(), throughput, placement, lambda: 0.0, lambda: 2)
    for n in range(4):
        tier.submit(call(n), query=n, node="embed")
    assert [placement.end() for _ in range(3)] == [[0], [1, 2], [3]]


def test_a_batch_is_aborted_once_nobody_wants_any_of_it(placement: Manual) -> None:
    tier = scheduler(placement)
    with tier.held():
        one, two = (tier.submit(call(n), query=n, node="embed") for n in range(2))
    tier.cancel(one)
    assert placement.aborted == 0
    tier.cancel(two)
    assert placement.aborted == 1
    assert one.future.cancelled()
    assert two.future.cancelled()


@pytest.mark.parametrize(
    ("running", "serves", "starts"), [(1, 1, True), (2, 1, False), (5, 2, True), (6, 2, False)]
)
def test_work_ahead_steps_back_while_more_run_than_it_is_worth(
    running: int, serves: int, starts: bool
) -> None:
    def started(policy: Policy) -> list[object]:
        manual = Manual()
        engine = Engine(limits=Limits(instances=2, continuous=True))
        tier = EngineScheduler(engine, policy, manual, lambda: 0.0)
        for number in range(running):
            tier.submit(call(number, None), query=number, node="prefill")
        tier.submit(call(100, None), query=0, node="warm", priority=1, serves=serves)
        tier.submit(call(101, None), query=8, node="prefill")
        return [calls[0].payload for calls, _ in manual.running]

    assert started(topology) == [*range(running), 100, 101]
    assert started(critical_path) == [*range(running), *[100] * starts, 101]


def test_work_ahead_starts_when_an_instance_has_nothing_left_to_do(placement: Manual) -> None:
    engine = Engine(limits=Limits(instances=1, continuous=True))
    tier = EngineScheduler(engine, critical_path, placement, lambda: 0.0)
    tier.submit(call(0, None), query=0, node="prefill")
    tier.submit(call(1, None), query=0, node="warm", priority=1)
    assert placement.end() == [0]
    assert placement.end() == [1]

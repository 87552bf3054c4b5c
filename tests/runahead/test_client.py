"""When the client's own cores are the limit, on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from ayo_bridge.runahead.client import CALL_SECONDS, TRIED, Client
from ayo_bridge.runtime import Runtime
from tests.runahead.fakes import GatedEngine, call, open_scope


@dataclass
class Process:
    """A process that uses its cores as the test says."""

    now: float = 100.0
    used: float = 50.0
    ran: float = 0.0
    waited: float = 0.0
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(lambda: self.now, lambda: self.used, lambda: (self.ran, self.waited))

    def run(self, seconds: float, share: float, *, at_once: int = 16, had: float = 1.0) -> None:
        """Calls come and go, so many at once; the process uses a share of a core."""
        for number in range(at_once):
            self.client.opened(number)
        for step in range(round(seconds / 0.05)):
            self.now += 0.05
            self.used += 0.05 * share
            self.ran += 0.05 * had
            self.waited += 0.05 * (1 - had)
            self.client.opened(at_once + step)
            self.client.closed(at_once + step)

    def declines(self, gain: float = 0.05, calls: int = 4) -> bool:
        return bool(self.client.declines(gain, calls))


def test_many_calls_at_once_in_a_busy_process_run_as_they_are() -> None:
    process = Process()
    process.run(2.0, 1.0)
    assert process.client.busy
    assert process.client.declines(0.05, 4) == (
        "this process is busy with 16 calls at once: 4 calls ahead would cost 64 ms and win 50 ms"
    )


@pytest.mark.parametrize("share", [0.0, 0.4, 0.8])
def test_a_process_that_waits_for_its_engines_runs_ahead(share: float) -> None:
    process = Process()
    process.run(2.0, share)
    assert not process.declines()


def test_a_moment_of_work_is_not_yet_busy() -> None:
    process = Process()
    process.run(0.2, 1.0)
    assert not process.declines()


def test_one_user_beside_a_busy_thread_runs_ahead() -> None:
    process = Process()
    process.run(2.0, 1.0, at_once=1)
    process.client.closed(0)
    process.client.opened(7)
    assert process.client.busy
    assert not process.declines()


def test_several_users_beside_a_busy_thread_run_ahead_of_slow_engines() -> None:
    process = Process()
    process.run(2.0, 1.0, at_once=4)
    for _ in range(100):
        process.client.sent(0.005, 0.0002)
    assert not process.declines(gain=0.3)
    assert process.declines(gain=0.02)


def test_the_later_the_loop_gets_its_turn_the_more_must_be_won() -> None:
    process = Process()
    process.run(2.0, 1.0)
    assert not process.declines(gain=0.2)
    for _ in range(100):
        process.client.sent(0.05, 0.0)
    assert process.declines(gain=0.2)


def test_what_neighbours_take_is_no_work_of_this_process() -> None:
    idle, starved = Process(), Process()
    idle.run(3.0, 0.4)
    starved.run(3.0, 0.4, had=0.4)
    assert not idle.client.busy
    assert starved.client.busy, "it uses all that it gets"


def test_a_process_stays_busy_until_it_clearly_is_not() -> None:
    process = Process()
    process.run(2.0, 1.0)
    process.run(2.0, 0.85)
    assert process.declines()
    process.run(2.0, 0.5)
    assert not process.declines()


def test_one_call_in_so_many_runs_ahead_all_the_same() -> None:
    process = Process()
    process.run(2.0, 1.0)
    assert [process.declines() for _ in range(2 * TRIED)].count(False) == 2


def test_a_call_ahead_costs_what_was_measured() -> None:
    client = Process().client
    assert client.call_seconds == CALL_SECONDS
    client.built(0, 1.0)
    assert client.call_seconds == CALL_SECONDS
    for _ in range(200):
        client.built(4, 0.008)
        client.sent(0.0, 0.0005)
    assert client.call_seconds == pytest.approx(0.0025, rel=0.01)


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    runtime = Runtime()
    runtime.register(GatedEngine())
    yield runtime
    runtime.close()


def test_a_scope_of_a_busy_process_stays_quiet_and_says_so(runtime: Runtime) -> None:
    process = Process()
    process.run(2.0, 1.0)
    runtime.client = process.client
    scope = open_scope(runtime, {"p": [call("a")]})
    assert scope.quiet
    assert scope.claim("a") is None
    scope.close()
    assert not scope.record.ran_ahead
    assert not scope.record.calls
    assert scope.record.decisions[-1].reason.startswith("this process is busy with ")


def test_what_calls_ahead_cost_is_measured_where_they_are_made(runtime: Runtime) -> None:
    told: list[int] = []

    class Told(Client):
        def built(self, calls: int, seconds: float) -> None:
            assert seconds >= 0
            told.append(calls)

        def sent(self, lag: float, seconds: float) -> None:
            assert lag >= 0
            assert seconds >= 0
            told.append(-1)

    runtime.client = Told()
    scope = open_scope(runtime, {"p": [call("a"), call("b")], "q": [call("c")]})
    engine = runtime.scheduler("llm").engine
    assert isinstance(engine, GatedEngine)
    for _ in range(3):
        assert engine.started.acquire(timeout=10)
    scope.close()
    assert sum(n for n in told if n > 0) == 3
    assert told.count(-1) == 3

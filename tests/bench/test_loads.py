"""When sessions are asked, on a virtual clock."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ayo_bridge.bench import BenchError
from ayo_bridge.bench.asking import Asker, Timed
from ayo_bridge.bench.loads import Arriving, Closed, Load, poisson, rates, traced, users
from ayo_bridge.bench.threads import Threads
from ayo_bridge.simulate.clock import run_virtual
from ayo_bridge.verify.target import known


class Seen:
    """Each session takes so long; keeps when each was asked, and how many were at once."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked: list[tuple[int, float]] = []
        self.now = self.most = 0

    async def __call__(self, number: int, due: float | None) -> None:
        self.asked.append((number, asyncio.get_running_loop().time()))
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.seconds)
        self.now -= 1


def ran(load: Load, seen: Seen, sessions: int = 6, turn: int = 0) -> float:
    async def run() -> float:
        await load.run(seen, range(sessions), turn)
        return asyncio.get_running_loop().time()

    return run_virtual(run())


def test_users_of_a_closed_loop_ask_their_next_when_the_last_has_ended() -> None:
    seen = Seen(1.0)
    assert ran(Closed(2), seen) == 3.0
    assert seen.most == 2
    assert seen.asked == [(0, 0.0), (1, 0.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 2.0)]


def test_users_take_turns_after_a_few_sessions_each() -> None:
    assert [[*block] for block in Closed(1).blocks(6)] == [[0, 1, 2, 3], [4, 5]]
    assert [len(block) for block in Closed(2).blocks(9)] == [8, 1]
    assert [len(block) for block in Arriving("trace", (0.0, 1.0)).blocks(9)] == [9]


def test_arrivals_wait_for_nobody() -> None:
    seen = Seen(10.0)
    assert ran(Arriving("trace", (0.0, 1.0, 1.5, 4.0)), seen) == 14.0
    assert [at for _, at in seen.asked] == [0.0, 1.0, 1.5, 4.0]
    assert seen.most == 4
    assert len({number for number, _ in seen.asked}) == 4, "all are asked before one is asked again"


def test_both_arms_are_asked_the_same_in_a_round_and_others_in_the_next() -> None:
    load = Arriving("trace", tuple(range(12)), seed=3)
    first, same, other = Seen(0), Seen(0), Seen(0)
    ran(load, first, turn=0)
    ran(load, same, turn=0)
    ran(load, other, turn=1)
    assert first.asked == same.asked != other.asked


def test_poisson_arrivals_have_their_rate_and_their_spread() -> None:
    load = poisson(5.0, 200.0, seed=1)
    gaps = [b - a for a, b in zip(load.times, load.times[1:], strict=False)]
    assert len(load.times) == pytest.approx(1000, rel=0.1)
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert variance**0.5 == pytest.approx(mean, rel=0.1), "as exponential gaps have"
    assert load == poisson(5.0, 200.0, seed=1) != poisson(5.0, 200.0, seed=2)
    assert poisson(0.001, 1.0).times == (0.0,), "one comes at least"


def test_a_latency_begins_when_the_call_was_due() -> None:
    async def slow(query: str) -> str:
        await asyncio.sleep(2.0)
        return query

    async def run() -> list[Timed]:
        told: list[Timed] = []
        asker = Asker(known(slow, "slow"), Threads())
        await asyncio.sleep(5.0)
        await asker.ask(slow, 0, ("q",), 4.0, told)
        await asker.ask(slow, 0, ("q",), None, told)
        return told

    late, prompt = run_virtual(run())
    assert (late.seconds, prompt.seconds) == (3.0, 2.0)
    assert late.answer == ("q", ())


def test_the_first_of_a_stream_is_the_first_that_says_something() -> None:
    async def streams(query: str) -> object:
        for word in ("", query, "!"):
            await asyncio.sleep(1.0)
            yield word

    async def run() -> list[Timed]:
        told: list[Timed] = []
        await Asker(known(streams, "streams"), Threads()).ask(streams, 0, ("q",), None, told)
        return told

    (found,) = run_virtual(run())
    assert (found.first, found.seconds, found.answer) == (2.0, 3.0, (None, ("q!",)))


def test_a_trace_is_read_in_order_from_its_first_arrival_on(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text('12.5\n\n{"time": 10}\n11\n')
    assert traced(path).times == (0.0, 1.0, 2.5)


@pytest.mark.parametrize("text", ["soon", "{}", "[1]", "nan", '{"time": null}', ""])
def test_what_is_no_trace_is_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text(text)
    with pytest.raises(BenchError, match="write"):
        traced(path)


def test_lists_of_numbers() -> None:
    assert users("1,4,1") == [Closed(1), Closed(4)]
    assert rates("0.5,2") == [0.5, 2.0]
    for text in ("", "0", "1.5", "-1", "a"):
        with pytest.raises(BenchError, match="--concurrency is a list of whole numbers"):
            users(text)
    for text in ("0", "inf", "fast"):
        with pytest.raises(BenchError, match="--rate is a list of positive numbers"):
            rates(text)

"""Both arms are asked the same, in turns, and what differs between them is said."""

import gc
from collections import Counter
from typing import Any, cast

import pytest

from ayo_bridge.errors import NotAccelerableError
from benchmarks.learned.app import Answer, App, Group, Inputs, Longest, Program, exactly
from benchmarks.learned.arms import Plan, measure
from benchmarks.learned.engines import Engines, Latencies
from benchmarks.learned.server import Seen, ServerProcess


class Server:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.on_their_way: Counter[str] = Counter()

    def taken(self) -> Seen:
        asked, self.asked, self.on_their_way = self.asked, self.on_their_way, Counter()
        return Seen(asked)


class Target:
    """Asks the server once for each question; more, if it is told to."""

    def __init__(self, server: Server, *more: str, shout: bool = False) -> None:
        self.server = server
        self.more = more
        self.shout = shout
        self.questions: list[str] = []

    def answer(self, question: str) -> str:
        self.questions.append(question)
        self.server.asked.update([question, *self.more])
        return question.upper() if self.shout else question


def ask(target: Any, inputs: Inputs) -> Answer:
    return Answer(target.answer(inputs.query))


async def aask(target: Any, inputs: Inputs) -> Answer:
    return Answer(target.answer(inputs.query))


@pytest.fixture(autouse=True)
def _no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is timed here, and a whole collection takes long once all libraries are there."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def engines(server: Server) -> Engines:
    return Engines("", "", Latencies(), cast(ServerProcess, server))


def app(target: Target, how: Any = ask) -> App:
    return App(
        "app", Group.PLAIN, lambda _: Program(target, how), exactly(1), longest=Longest(2, 1, 1)
    )


@pytest.mark.parametrize("how", [ask, aask])
@pytest.mark.parametrize("at_once", [1, 3])
def test_both_arms_get_every_input_once(
    how: Any, at_once: int, server: Server, engines: Engines
) -> None:
    original, fast = Target(server), Target(server)
    row = measure(app(original, how), engines, lambda _: fast, Plan(2, 3, at_once))
    expected = sorted(app(original).inputs(number).query for number in range(5 * at_once))
    assert sorted(original.questions) == sorted(fast.questions) == expected
    assert row.equal
    assert row.accelerated is not None
    assert len(row.original.seconds) == len(row.accelerated.seconds) == 3
    assert row.original.seen.count == row.accelerated.seen.count == 3 * at_once
    assert (row.in_vain, row.missing) == (0, 0)


def test_requests_that_the_original_did_not_make_are_in_vain(
    server: Server, engines: Engines
) -> None:
    row = measure(app(Target(server)), engines, lambda _: Target(server, "more"), Plan(1, 4))
    assert (row.in_vain, row.missing) == (4, 0)


def test_requests_that_arrive_after_the_answer_belong_to_the_arm_that_made_them(
    server: Server, engines: Engines
) -> None:
    class Late(Target):
        def answer(self, question: str) -> str:
            server.on_their_way.update(["late"])
            return super().answer(question)

    row = measure(app(Target(server)), engines, lambda _: Late(server), Plan(1, 4))
    assert row.accelerated is not None
    assert (row.accelerated.seen.asked["late"], row.original.seen.asked["late"]) == (4, 0)


def test_requests_that_only_the_original_made_are_missing(server: Server, engines: Engines) -> None:
    row = measure(app(Target(server, "more")), engines, lambda _: Target(server), Plan(1, 4))
    assert (row.in_vain, row.missing) == (0, 4)


def test_another_answer_is_said_to_differ(server: Server, engines: Engines) -> None:
    row = measure(app(Target(server)), engines, lambda _: Target(server, shout=True), Plan(0, 1))
    assert not row.equal


def test_what_cannot_be_accelerated_is_measured_as_it_is_with_the_reason(
    server: Server, engines: Engines
) -> None:
    def refuse(target: Any) -> Any:
        raise NotAccelerableError("no adapter knows it. Pass another")

    row = measure(app(Target(server)), engines, refuse, Plan(1, 2))
    assert row.accelerated is None
    assert row.ratio is None
    assert row.refused == "no adapter knows it"
    assert len(row.original.seconds) == 2


def test_the_ideal_is_the_longest_path_over_the_engines_of_the_run(
    server: Server, engines: Engines
) -> None:
    row = measure(app(Target(server)), engines, lambda target: target, Plan(0, 1))
    assert row.ideal == pytest.approx(0.23)

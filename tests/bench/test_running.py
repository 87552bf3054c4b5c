"""Arms in turns: who comes first, what is compared, what an interruption leaves."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import pytest

from ayo_bridge import Runtime
from ayo_bridge.bench import ORIGINAL, Arm, Bench, BenchError, Made, Settings
from ayo_bridge.bench.loads import Arriving, Closed
from ayo_bridge.bench.rounds import in_order, pairs
from ayo_bridge.bench.text import as_text
from ayo_bridge.verify.target import known
from tests.bench.made import arm, measured, round_of, shouts, timed


def test_each_arm_is_as_often_first() -> None:
    assert [in_order(("a", "b", "c"), number)[0] for number in range(4)] == ["a", "c", "a", "c"]


def test_calls_are_paired_by_round_and_question() -> None:
    before = [round_of("a", 0, [timed(0, 1.0), timed(1, 2.0), timed(0, 5.0)])]
    after = [
        round_of("b", 1, [timed(0, 9.0)]),
        round_of("b", 0, [timed(1, 1.0), timed(0, 0.5), timed(0, 0.25)]),
    ]
    (found,) = pairs(before, after)
    assert [(one.seconds, other.seconds) for one, other in found] == [
        (1.0, 0.5),
        (2.0, 1.0),
        (5.0, 0.25),
    ]


def test_a_wrong_arm_is_found_and_both_sides_are_shown() -> None:
    def wrong(query: str) -> str:
        return query.upper() if query != "two" else "2"

    for load in (Closed(1), Closed(2), Arriving("trace", (0.0, 0.01, 0.02))):
        report = measured(wrong, loads=[load], rounds=1)
        (found,) = report.identity.differences
        assert report.differs
        assert (found.question, found.original, found.accelerated) == ("two", "'TWO'", "'2'")
        assert "timed answers to 1 question DIFFER" in report.identity.line
        assert "the answers differ" in as_text(report)


def test_further_arms_are_held_against_the_first() -> None:
    report = measured(shouts, shouts, arm("third", str.lower), arm("fourth", shouts), rounds=1)
    assert [each.what for each in report.identity.differences] == [
        "the answers differ (third, 1 user)"
    ] * 3
    assert report.identity.line == "timed answers to 3 questions DIFFER"
    text = as_text(report)
    (table,) = (block for block in text.split("\n\n") if "times as fast as original" in block)
    assert [line.split()[0] for line in table.splitlines()[1:]] == ["1", "third", "fourth"]
    assert "left out" not in text


def test_something_can_be_done_before_each_turn_and_before_each_question_that_is_compared() -> None:
    done: list[str] = []

    def answer(query: str) -> str:
        done.append(query)
        return query.upper()

    settings = Settings(rounds=1, warm_up=1, between=lambda: done.append("-"), compared=2)
    made = Made(answer, Runtime(templates=False))
    arms = (ORIGINAL, Arm("other", lambda loaded, calls: made))
    report = Bench(known(answer, "it"), ["a", "b", "c"], settings, arms=arms).run()
    warm_up, compared, timed = "-a-a", "-aa-bb", "-abc-abc"
    assert "".join(done) == warm_up + compared + timed
    assert report.identity.line.startswith("2 of 2 calls the same")
    assert report.identity.line.endswith("4 timed answers the same")


def test_equal_arms_are_the_same_and_make_no_difference() -> None:
    report = measured(shouts, loads=[Closed(1), Closed(3)])
    assert not report.differs
    assert report.identity.line == "12 timed answers the same"
    assert [each.load for each in report.loads] == ["1 user", "3 users"]
    assert [len(each.arms) for each in report.loads] == [2, 2]


def test_an_original_that_answers_differently_each_time_is_not_held_against_the_other() -> None:
    count = iter(range(100))

    def counts(query: str) -> str:
        return f"{query} {next(count)}"

    report = measured(counts, counts)
    assert not report.differs
    assert report.identity.line == "6 of 6 timed answers vary by themselves"


def test_what_raises_in_both_is_counted_and_the_same_and_what_one_raises_differs() -> None:
    def raises(query: str) -> str:
        if query == "two":
            raise LookupError(query)
        return query.upper()

    both = measured(raises, raises)
    assert not both.differs
    assert [(arm.calls, arm.errors) for arm in both.loads[0].arms] == [(6, 2), (6, 2)]
    assert "1 user, original: 2 of 6 calls raised." in both.advice
    one = measured(raises)
    (found,) = one.identity.differences
    assert (found.what, found.accelerated) == ("it raised (1 user)", "LookupError: two")


def test_what_the_original_raises_from_time_to_time_is_no_difference_unless_it_is_more() -> None:
    def failing(each: int) -> Callable[[str], str]:
        calls = iter(range(1, 1000))

        def answer(query: str) -> str:
            if next(calls) % each == 0:
                raise LookupError(query)
            return query.upper()

        return answer

    same = measured(failing(4), failing(5), rounds=6)
    assert not same.differs
    assert [arm.errors for arm in same.loads[0].arms] == [3, 4]
    more = measured(failing(1), failing(5), rounds=6)
    assert {each.what for each in more.identity.differences} == {"it raised more often (1 user)"}


def test_what_a_function_returns_is_read_to_its_end() -> None:
    def generated(word: str) -> Callable[[str], object]:
        return lambda query: (f"{query} {each}" for each in (word, "end"))

    async def body(query: str) -> AsyncIterator[str]:
        yield query

    async def responds(query: str) -> object:  # As a handler of FastAPI streams.
        return SimpleNamespace(body_iterator=body(query))

    assert not measured(generated("a"), generated("a")).differs
    assert measured(generated("a"), generated("b")).differs
    assert [arm.errors for arm in measured(responds, responds).loads[0].arms] == [0, 0]
    assert measured(responds, responds).loads[0].arms[0].first["p50"].value > 0


def test_what_answers_nothing_is_not_asked_on() -> None:
    calls = []

    def raises(query: str) -> str:
        calls.append(query)
        raise LookupError(query)

    report = measured(raises, raises, warm_up=3)
    assert len(calls) == 6
    assert "warm-up, original: 3 of 3 calls raised, the first LookupError: one." in report.advice


def test_an_application_that_ends_its_process_in_a_call_ends_that_call() -> None:
    def ends(query: str) -> str:
        sys.exit(3)

    report = measured(ends, ends)
    assert "1 user, other: 6 of 6 calls raised, the first SystemExit: 3." in report.advice


def test_nothing_but_errors_is_no_figure() -> None:
    def raises(query: str) -> str:
        raise LookupError(query)

    report = measured(raises, raises)
    assert report.loads == ()
    assert report.verdict == "nothing was measured"
    assert "1 user, other: 6 of 6 calls raised, the first LookupError: one." in report.advice
    assert as_text(report).startswith("nothing was measured.\n")


@pytest.mark.parametrize("switch", ["0", "1"])
def test_arms_that_would_be_the_same_are_refused(
    switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYO_BRIDGE", switch)
    with pytest.raises(BenchError, match=f"AYO_BRIDGE={switch} is set"):
        measured(shouts)


def test_ctrl_c_leaves_what_was_measured_by_then() -> None:
    calls = iter(range(100))

    def interrupted(query: str) -> str:
        if next(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return query.upper()

    report = measured(interrupted, rounds=5)
    assert report.said.interrupted == "1 user, round 2 of 5"
    assert 4 <= report.loads[0].arms[1].calls < 15
    assert "It was interrupted (1 user, round 2 of 5): the rest was not measured." in report.advice

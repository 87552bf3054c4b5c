"""Rounds and arms that are made up, and functions that are measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from ayo_bridge.bench import ORIGINAL, Arm, Bench, Made, Report, Settings
from ayo_bridge.bench.asking import Timed
from ayo_bridge.bench.conditions import conditions
from ayo_bridge.bench.identity import Identity
from ayo_bridge.bench.loads import Closed, Load
from ayo_bridge.bench.report import Said
from ayo_bridge.bench.rounds import Round
from ayo_bridge.verify.report import Compared, Outcome
from ayo_bridge.verify.target import known
from tests.observe import samples


def shouts(query: str) -> str:
    return query.upper()


def timed(session: int, seconds: float, answer: str = "yes", error: str = "") -> Timed:
    return Timed(session, 0, seconds, None, None if error else (answer, ()), error)


def round_of(
    arm: str, number: int, calls: Sequence[Timed], *, wall: float = 1.0, load: str = "1 user"
) -> Round:
    return Round(arm, load, number, list(calls), wall, 0.01, whole=True)


def arm(name: str, function: Callable[..., Any]) -> Arm:
    return Arm(name, lambda loaded, calls: Made(function))


def measured(
    other: Callable[..., Any],
    original: Callable[..., Any] = shouts,
    *further: Arm,
    questions: Sequence[str] = ("one", "two", "three"),
    loads: Sequence[Load] = (Closed(1),),
    rounds: int = 2,
    warm_up: int = 0,
) -> Report:
    """A function as it is against another in the place of the accelerated one."""
    settings = Settings(loads, warm_up, rounds)
    arms = (ORIGINAL, arm("other", other), *further)
    loaded, asked = known(original, "original"), [(each,) for each in questions]
    return Bench(loaded, asked, settings, name="app.py:it", arms=arms).run()


@cache
def made_up() -> Report:
    """Of all that a report can have: users, arrivals, streams, passes left out, a difference."""
    arms = ["original", "ayo", "no decoding-pipelining"]
    loads = [("1 user", False), ("4 users", False), ("0.5/s", True), ("1/s", True)]
    rounds = []
    for load, _ in loads:
        for number in range(3):
            for at, name in enumerate(arms):
                seconds = [(3.0 - at) * (1 + 0.01 * each + 0.02 * number) for each in range(10)]
                calls = [
                    Timed(each, 0, s, s / 3, ("yes", ()), "") for each, s in enumerate(seconds)
                ]
                rounds.append(round_of(name, number, calls, wall=60.0, load=load))
    rounds[1].records = [samples.tree(8), samples.fusion()]
    unlike = Compared("What is it?", Outcome.DIFFERS, "the answers differ", "'a'", "'b'")
    said = Said(
        target="examples.measured:engine",
        what="RetrieverQueryEngine",
        entry="query",
        sessions=10,
        questions=10,
        warm_up="warm-up",
        arms=arms,
        loads=loads,
        rounds={name: 3 for name, _ in loads},
        seed=0,
        interrupted="1/s, round 3 of 3",
        conditions=conditions(),
    )
    return Report.of(said, rounds, Identity(compared=120, differences=(unlike,)))

"""Rounds and arms that are made up, and functions that are measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ayo_bridge.bench import ORIGINAL, Arm, Bench, Made, Report, Settings
from ayo_bridge.bench.asking import Timed
from ayo_bridge.bench.loads import Closed, Load
from ayo_bridge.bench.rounds import Round
from ayo_bridge.verify.target import known


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
    *,
    questions: Sequence[str] = ("one", "two", "three"),
    loads: Sequence[Load] = (Closed(1),),
    rounds: int = 2,
    warm_up: int = 0,
) -> Report:
    """A function as it is against another in the place of the accelerated one."""
    settings = Settings(loads, warm_up, rounds)
    arms = (ORIGINAL, arm("other", other))
    loaded, asked = known(original, "original"), [(each,) for each in questions]
    return Bench(loaded, asked, settings, name="app.py:it", arms=arms).run()

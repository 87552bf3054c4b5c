"""Measures the programs with ``ayo_bridge.bench``. Seconds are those of the engines' clock."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.bench import Bench, Report, Settings
from ayo_bridge.bench.conditions import conditions
from ayo_bridge.bench.loads import Closed, Load, poisson
from ayo_bridge.bench.statistics import Figure, mean
from benchmarks.apps import emulation, real
from benchmarks.apps.cases import OURS, TUNED, Case
from benchmarks.apps.settings import Settings as Engines

Json = dict[str, Any]
Told = Callable[[str], None]
UTILISATION: Final = 0.8
"""Of the original, where sessions arrive: the share of what it answers when users never pause."""
USERS: Final = 8
"""Who never pause."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Args:
        speed: how many times as fast as they are the engines run, all of them.
        questions: that each arm is asked in a round.
        rounds: of each load.
        seconds: of arrivals in a round, by the engines' clock.
        crowd: whether it is measured what the engines answer to a crowd, beside users who never
            pause.
    """

    speed: float = 4.0
    questions: int = 12
    rounds: int = 3
    seconds: float = 120.0
    crowd: bool = True


def alone(case: Case, profile: str, plan: Plan, told: Told) -> Json:
    """A program at one user, all arms in turns."""
    report = _measured(case, profile, plan, [Closed(1)], told)
    (load,) = report.loads
    ratio = {OURS: load.ratio} | load.others
    path = report.path
    return {
        "what": case.what,
        "paper": case.paper,
        "same": not report.differs,
        "identity": report.identity.line,
        "seconds": {arm.arm: _times(arm.latency["p50"], plan.speed) for arm in load.arms},
        "over_original": {arm: figure(each.latency) for arm, each in ratio.items()},
        "of_the_bound": path.bound.share if path.bound else None,
        "bound": path.bound.seconds * plan.speed if path.bound else None,
        "ahead": load.work.ahead / load.work.needed if load.work.needed else 0.0,
        "waited_for": {named(each.what): each.seconds * plan.speed for each in path.stood},
        "own": path.own * plan.speed,
        "at_once": {named(e.engine): [e.busy, e.in_flight] for e in load.work.engines},
        "advice": [named(each) for each in report.advice],
    }


def loaded(case: Case, profile: str, plan: Plan, told: Told) -> Json:
    """A program whose questions arrive, at the rate that keeps the original busy to four fifths."""
    full = _measured(case, profile, plan, [Closed(USERS)], told)
    rate = UTILISATION * _throughput(full, "original")
    arrivals = poisson(rate, plan.seconds / plan.speed)
    report = _measured(case, profile, plan, [arrivals], told)
    (load,) = report.loads
    by_arm = {
        arm.arm: {
            "mean": mean([each for found in arm.seconds for each in found]) * plan.speed,
            "p95": _times(arm.latency.get("p95"), plan.speed),
            "errors": arm.errors,
        }
        for arm in load.arms
    }
    return {
        "rate": rate / plan.speed,
        "same": not (report.differs or full.differs),
        "throughput": {
            arm: _throughput(full, arm) / plan.speed for arm in (a.arm for a in load.arms)
        },
        "arms": by_arm,
    }


@contextmanager
def engines(profile: str, speed: float) -> Iterator[tuple[Engines, Callable[[], None]]]:
    """A profile's engines, and what makes them forget the prompts they have read."""
    if profile == real.REAL:
        with real.engines() as made:
            yield made
    else:
        with emulation.engines(profile, speed) as settings:
            yield settings, lambda: None


def characters_of(profile: str) -> int | None:
    """How much of a document is asked about; ``None``: all."""
    return real.CHARACTERS if profile == real.REAL else None


def _measured(case: Case, profile: str, plan: Plan, loads: Sequence[Load], told: Told) -> Report:
    program = case.loaded if all(load == Closed(1) for load in loads) else case.served
    with engines(profile, plan.speed) as (settings, forget):
        wanted = Settings(loads, warm_up=plan.questions, rounds=plan.rounds, between=forget)
        return Bench(
            program(settings),
            case.sessions(plan.questions, characters_of(profile)),
            wanted,
            name=case.name,
            arms=case.arms(settings),
            told=lambda what, done, of: told(f"{case.name}, {profile}: {what}, {done} of {of}"),
        ).run()


def _throughput(report: Report, arm: str) -> float:
    (load,) = report.loads
    found = next(each.throughput for each in load.arms if each.arm == arm)
    return 0.0 if found is None else found.value


def _times(found: Figure | None, factor: float) -> Json | None:
    if found is None:
        return None
    ends = [None if end is None else end * factor for end in (found.low, found.high)]
    return {"value": found.value * factor, "low": ends[0], "high": ends[1]}


def figure(found: Figure | None) -> Json | None:
    """A figure as plain data."""
    return _times(found, 1.0)


def named(text: str) -> str:
    """Engines without the addresses that they happened to have."""
    return re.sub(r"@127\.0\.0\.1:\d+", "", text)


def geometric(values: Iterable[float]) -> float:
    """The geometric mean; NaN of none."""
    found = [math.log(value) for value in values]
    return math.exp(sum(found) / len(found)) if found else math.nan


def of_machine() -> Json:
    """What it was measured on."""
    return conditions()


__all__ = [
    "OURS",
    "TUNED",
    "UTILISATION",
    "Plan",
    "alone",
    "characters_of",
    "engines",
    "figure",
    "geometric",
    "loaded",
    "of_machine",
]

"""Several users of a program, each of whom asks the next question when the last is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final

from ayo_bridge.bench import Bench, Report, Settings
from ayo_bridge.bench.asking import Asker, Timed
from ayo_bridge.bench.figures import ArmFigures
from ayo_bridge.bench.loads import Closed
from ayo_bridge.bench.sessions import Session
from ayo_bridge.bench.statistics import mean, percentile
from ayo_bridge.bench.threads import Threads
from ayo_bridge.verify.target import Loaded
from benchmarks.apps.cases import Case
from benchmarks.apps.measured import Json, Plan, Told, characters_of, engines, figure

EACH: Final = 4
"""Questions of a user in a round, at least."""
LEARNED: Final = 8
"""Questions that both are asked beforehand, at most."""
COMPARED: Final = 6
"""Questions whose requests are compared, not only the answers."""
CROWD: Final = 32
"""Users who leave no engine a moment without work."""


def closed(
    case: Case, profile: str, users: Sequence[int], plan: Plan, told: Told
) -> Iterator[tuple[str, Json]]:
    """A program with each number of ``users``: the load's name and what was measured.

    All ask the same engines; each time another object is accelerated, which knows nothing. As many
    questions a second as the original answers to a crowd are what any order of the same calls could
    reach with fewer users.
    """
    size = characters_of(profile)
    with engines(profile, plan.speed) as (settings, forget):
        most = None
        if plan.crowd:
            told(f"{case.name}, {profile}: the original, {CROWD} users")
            most = _throughput(case.served(settings), case.sessions(2 * CROWD, size), forget)
        for number in users:
            load = Closed(number)

            def tell(what: str, done: int, of: int, users: str = load.name) -> None:
                told(f"{case.name}, {profile}, {users}: {what}, {done} of {of}")

            program = case.loaded if number == 1 else case.served
            report = Bench(
                program(settings),
                case.sessions(max(plan.questions, EACH * number), size),
                Settings(
                    [load],
                    warm_up=min(LEARNED, plan.questions),
                    rounds=plan.rounds,
                    between=forget,
                    compared=COMPARED,
                ),
                name=case.name,
                arms=case.arms(settings)[:2],
                told=tell,
            ).run()
            yield load.name, _row(report, number, most)


def _throughput(program: Loaded, sessions: Sequence[Session], forget: Callable[[], None]) -> float:
    """Questions a second that the program as it is answers to a crowd."""
    threads, answers = Threads(), list[Timed]()
    asker = Asker(program, threads)

    async def ask(number: int, due: float | None) -> None:
        await asker.ask(program.obj, number, sessions[number], due, answers)

    try:
        with asyncio.Runner() as runner:
            runner.run(ask(0, None))  # Libraries are imported, connections made.
            answers.clear()
            forget()
            began = time.perf_counter()
            runner.run(Closed(CROWD).run(ask, range(len(sessions)), 0))
            took = time.perf_counter() - began
    finally:
        threads.close()
    return sum(not each.error for each in answers) / took


def _row(report: Report, users: int, most: float | None) -> Json:
    """Ratios of the original to the accelerated program, above 1 is better.

    ``full`` is ``most`` questions a second over those of the original's users.
    """
    made: Json = {
        "users": users,
        "same": not report.differs,
        "identity": report.identity.line,
        "advice": report.advice,
    }
    if not report.loads:
        return made
    (load,) = report.loads
    original, ours = load.arms
    sustained = original.throughput
    before, after = _seconds(original), _seconds(ours)
    return made | {
        "throughput": figure(load.ratio.throughput),
        "latency": figure(load.ratio.latency),
        "mean": mean(before) / mean(after),
        "p95": percentile(before, 0.95) / percentile(after, 0.95),
        "errors": {arm.arm: arm.errors for arm in load.arms},
        "full": most / sustained.value if most and sustained else None,
        "ahead": load.work.ahead / load.work.needed if load.work.needed else 0.0,
        "wasted": load.work.wasted_share,
    }


def _seconds(arm: ArmFigures) -> list[float]:
    return [*chain.from_iterable(arm.seconds)]


__all__ = ["closed"]

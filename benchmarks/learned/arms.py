"""Both arms of an application in turns: seconds, answers, and what reached the server."""

from __future__ import annotations

import asyncio
import atexit
import gc
import inspect
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, TypeAlias

from ayo_bridge.errors import NotAccelerableError, NotAcceleratedWarning
from benchmarks.learned.app import Answer, App, Inputs, Program
from benchmarks.learned.engines import Engines
from benchmarks.learned.server import Seen

Accelerate: TypeAlias = Callable[[Any], Any]
"""Makes the accelerated object of an application's target."""
Round: TypeAlias = Callable[[Any, Sequence[Inputs]], list[Answer]]
"""Asks one object for all of these inputs at the same time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How an application is measured.

    Args:
        learn: calls of both arms, with distinct inputs, before anything is timed.
        rounds: timed calls of each arm; an input is used in one round only, by both arms.
        at_once: calls of a round that are made at the same time.
    """

    learn: int = 6
    rounds: int = 7
    at_once: int = 1


@dataclass(slots=True)
class Arm:
    """One arm over the timed rounds."""

    seconds: list[float] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)

    def add(self, seconds: float, answers: Sequence[Answer], seen: Seen) -> None:
        """Take in a round."""
        self.seconds.append(seconds)
        self.answers += answers
        self.saw(seen)

    def saw(self, seen: Seen) -> None:
        """Take in requests."""
        self.seen = Seen(self.seen.asked + seen.asked, self.seen.marked + seen.marked)


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of an application. Without an accelerated arm, ``refused`` says why.

    Args:
        equal: all answers of both arms are equal, those of the learning phase included.
        ideal: seconds of the longest path that the data dependencies allow, if known.
    """

    app: App
    original: Arm
    accelerated: Arm | None
    equal: bool
    ideal: float | None
    refused: str = ""

    @property
    def before(self) -> float:
        """Median seconds of the original."""
        return statistics.median(self.original.seconds)

    @property
    def ratio(self) -> float | None:
        """Median of the rounds' ratios of original to accelerated."""
        if self.accelerated is None:
            return None
        pairs = zip(self.original.seconds, self.accelerated.seconds, strict=True)
        return statistics.median(original / fast for original, fast in pairs)

    @property
    def ideal_ratio(self) -> float | None:
        """What could be gained: the original's median over the ideal."""
        return self.before / self.ideal if self.ideal else None

    @property
    def in_vain(self) -> int:
        """Requests of the accelerated arm that the original did not make."""
        if self.accelerated is None:
            return 0
        return (self.accelerated.seen.asked - self.original.seen.asked).total()

    @property
    def missing(self) -> int:
        """Requests of the original that the accelerated arm did not make."""
        if self.accelerated is None:
            return 0
        return (self.original.seen.asked - self.accelerated.seen.asked).total()


def measure(app: App, engines: Engines, accelerate: Accelerate, plan: Plan) -> Row:
    """Measure an application as it is and through ``accelerate``, alternating."""
    with ExitStack() as stack:
        program = app.build(engines)
        fast, refused = accelerated(program.target, accelerate)
        ask = stack.enter_context(asking(program, plan.at_once))
        arms = {"original": (program.target, Arm())}
        if not refused:
            arms["accelerated"] = (fast, Arm())
        equal = True
        timed: Arm | None = None
        for turn in range(plan.learn + plan.rounds):
            first = turn * plan.at_once
            inputs = [app.inputs(number) for number in range(first, first + plan.at_once)]
            answers = []
            for target, arm in list(arms.values())[:: 1 if turn % 2 == 0 else -1]:
                gc.collect()
                late = engines.server.taken()
                if timed is not None:
                    timed.saw(late)
                started = time.perf_counter()
                answers.append(ask(target, inputs))
                taken, seen = time.perf_counter() - started, engines.server.taken()
                if turn >= plan.learn:
                    arm.add(taken, answers[-1], seen)
                    timed = arm
            equal = equal and all(answer == answers[0] for answer in answers)
        if timed is not None:
            timed.saw(engines.server.taken())
    made = arms.get("accelerated")
    # Side by side, calls of one process cannot all take the shortest time.
    known = app.longest is not None and plan.at_once == 1
    ideal = app.longest.seconds(engines.latencies) if known and app.longest else None
    return Row(app, arms["original"][1], made[1] if made else None, equal, ideal, refused)


def accelerated(target: object, accelerate: Accelerate) -> tuple[Any, str]:
    """The accelerated object and an empty text, or ``None`` and why there is none."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            fast = accelerate(target)
        except NotAccelerableError as error:
            return None, str(error).partition(". ")[0]
    for warning in warned:
        if issubclass(warning.category, NotAcceleratedWarning):
            return None, str(warning.message).partition(". ")[0]
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return fast, ""


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One loop for all: connections that an application leaves behind are closed on their own."""
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


@contextmanager
def asking(program: Program, at_once: int = 1) -> Iterator[Round]:
    """How a program is asked: on a loop, on threads, or simply here."""

    def one(target: Any, inputs: Inputs) -> Answer:
        answer = program.ask(target, inputs)
        assert isinstance(answer, Answer)
        return answer

    async def awaited(target: Any, inputs: Inputs) -> Answer:
        answer = program.ask(target, inputs)
        assert not isinstance(answer, Answer)
        return await answer

    async def together(target: Any, inputs: Sequence[Inputs]) -> list[Answer]:
        return list(await asyncio.gather(*(awaited(target, given) for given in inputs)))

    # Sync methods of LlamaIndex that await take the thread's loop: one that stays.
    asyncio.set_event_loop(_loop())
    try:
        if inspect.iscoroutinefunction(program.ask):
            yield lambda target, inputs: _loop().run_until_complete(together(target, inputs))
        elif at_once == 1:
            yield lambda target, inputs: [one(target, given) for given in inputs]
        else:
            with ThreadPoolExecutor(at_once) as pool:
                yield lambda target, inputs: list(pool.map(partial(one, target), inputs))
    finally:
        asyncio.set_event_loop(None)

"""Runs a program as it is and accelerated, and compares all that an application could notice.

In: a table of cases. Out: the first difference, or nothing. A case says how to build the object and
what to ask it; an entry says how (``query``, ``aquery``, ``stream``, ...). Each is run on fresh
objects, by all of its queries in a row, in one event loop: as it is and accelerated, and where the
original does things at the same time once more as it is, since what varies then is its freedom.
Each run has a context of its own: LlamaIndex keeps the ids of open events in context variables,
and what a failed call leaves there is for the next call of the same run to find, for no other's.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from ayo_bridge import Runtime, accelerate, stats
from ayo_bridge.errors import NotAcceleratedWarning
from ayo_bridge.observe import Stats
from ayo_bridge.profile import Curve, EngineProfile, LLMProfile, Profile, ProfileStore
from ayo_bridge.schedule import EngineScheduler, Placement
from ayo_bridge.seam import Engine, EngineKind
from tests.adapters.python.programs import learned, question
from tests.differential.case import Case, Entry, Env, Framework, parameters
from tests.differential.compare import difference, log_difference, never
from tests.differential.observing import Outcome, canonical, observe, observe_async
from tests.proofs import prove

_TEACHING = tuple(question(number) for number in range(4))
TOLERANCE = 1e-6
"""By so much a score may move where batches are fused; by nothing with ``strict=True``."""


class EagerRuntime(Runtime):
    """Takes every engine to cost what is said here, so that every pass finds something to gain and
    does the same each time: a stub that answers at once would teach it that there is nothing."""

    def register(self, engine: Engine, placement: Placement | None = None) -> EngineScheduler:
        """Give the engine a profile too: batches of two, prompts that are dear."""
        scheduler = super().register(engine, placement)
        if engine.name not in self.profiles.profiles():
            self.profiles.publish(engine.name, _profile(engine.kind))
        return scheduler

    def observe(self, request: Any) -> None:
        """Learn nothing."""


def _profile(kind: EngineKind) -> Profile:
    if kind is EngineKind.LLM:
        return LLMProfile(prefill_base=0.02, prefill_per_token=0.002, decode_per_token=0.01)
    points = tuple((items, 0.01 + 0.01 * items) for items in (1, 2, 4))
    return EngineProfile(kind.value, Curve(points), best_batch=2)


# Comparing.


def outcome_difference(
    original: Outcome,
    again: Outcome,
    accelerated: Outcome,
    tolerance: float,
    *,
    stops_early: bool = False,
    in_threads: Callable[[str], bool] = never,
) -> str | None:
    """The first thing in which an accelerated call differs from the original one."""
    if original.raised != accelerated.raised:
        return f"the original gave {original.result}, the accelerated one {accelerated.result}"
    sent = accelerated.requests
    if stops_early and original.raised:
        sent = sent & original.requests
    return (
        difference(original.result, accelerated.result, tolerance, "result")
        or difference(
            sorted(original.requests.elements()), sorted(sent.elements()), path="requests"
        )
        or log_difference(original.log, again.log, accelerated.log, tolerance, in_threads)
        or difference(original.query, accelerated.query, tolerance, "query afterwards")
        or difference(sorted(original.messages), sorted(accelerated.messages), path="messages")
    )


@dataclass
class Comparison:
    """What came out of a case."""

    original: list[Outcome]
    again: list[Outcome]
    accelerated: list[Outcome]
    stats: Stats
    tolerance: float
    in_threads: Callable[[str], bool] = never

    def check(self, case: Case, entry: str) -> None:
        """Fail the test on the first difference.

        Raises:
            AssertionError: names the query and what differs.
        """
        for number, (one, two, fast) in enumerate(
            zip(self.original, self.again, self.accelerated, strict=True)
        ):
            where = f"{case.name}, {entry}, query {number}"
            if entry in case.only_result:
                found = difference(one.result, fast.result, self.tolerance, "result")
                assert found is None, f"{where}: {found}"
                continue
            # Where nothing varies it was asked once only: both are the same outcome.
            unstable = self._difference(case, one, two, two) if two is not one else None
            assert unstable is None, f"{where}: the original itself varies: {unstable}"
            if number == 0 and case.requests is not None and not one.raised:
                assert sum(one.requests.values()) == case.requests, where
            found = self._difference(case, one, two, fast)
            assert found is None, f"{where}: {found}"
        if entry in case.ahead:
            assert self.stats.hits, f"{case.name}, {entry}: nothing ran ahead\n{self.stats}"
        if case.frugal:
            assert not self.stats.wasted, f"{case.name}, {entry}: work was wasted\n{self.stats}"

    def _difference(self, case: Case, one: Outcome, two: Outcome, other: Outcome) -> str | None:
        return outcome_difference(
            one,
            two,
            other,
            0.0 if other is two else self.tolerance,
            stops_early=case.stops_early,
            in_threads=self.in_threads,
        )


def runtime_for(case: Case, directory: Any, **more: Any) -> Runtime:
    """A runtime of its own for a case."""
    options = {"profiles": ProfileStore(directory), **case.runtime, **more}
    return EagerRuntime(**options)


def _prepared(env: Env, case: Case) -> Any:
    env.stub.reset()
    if case.script is not None:
        case.script(env.stub)
    return case.build(env)


def _accelerate(obj: Any, runtime: Runtime) -> Any:
    with warnings.catch_warnings():  # Some rows are there to show that nothing is done.
        warnings.simplefilter("ignore", NotAcceleratedWarning)
        return accelerate(obj, runtime=runtime)


def _accelerated(env: Env, case: Case, runtime: Runtime) -> Any:
    fast = _accelerate(_prepared(env, case), runtime)
    if case.proven:
        prove(runtime)
    return fast


def accelerated(env: Env, case: Case, entry: Entry, runtime: Runtime) -> Any:
    """The object of a case, accelerated and taught what it is to have learned."""
    fast = _accelerated(env, case, runtime)
    if case.learned:
        for asked in _TEACHING:
            entry.ask(fast, asked)
        learned(fast)
    return fast


async def accelerated_async(env: Env, case: Case, entry: Entry, runtime: Runtime) -> Any:
    """The same, by an entry that is awaited."""
    fast = _accelerated(env, case, runtime)
    if case.learned:
        for asked in _TEACHING:
            await entry.ask(fast, asked)
        await asyncio.to_thread(learned, fast)
    return fast


def compare(
    framework: Framework, case: Case, entry_name: str, env: Env, runtime: Runtime
) -> Comparison:
    """Run a case by a synchronous entry."""
    entry = framework.entries[entry_name]

    def run(obj: Any) -> list[Outcome]:
        return [observe(env, framework, obj, entry, query) for query in case.queries]

    original = Context().run(run, _prepared(env, case))
    again = Context().run(run, _prepared(env, case)) if _concurrent(original) else original
    fast = accelerated(env, case, entry, runtime)
    found = Context().run(run, fast)
    return Comparison(
        original, again, found, stats(fast), _tolerance(runtime), framework.in_threads
    )


async def compare_async(
    framework: Framework, case: Case, entry_name: str, env: Env, runtime: Runtime
) -> Comparison:
    """Run a case by an asynchronous entry, all in one loop: the clients of the OpenAI SDK break
    when they are used in a second one."""
    entry = framework.entries[entry_name]

    async def ask_all(obj: Any) -> list[Outcome]:
        return [await observe_async(env, framework, obj, entry, query) for query in case.queries]

    async def run(obj: Any) -> list[Outcome]:
        return await asyncio.create_task(ask_all(obj), context=Context())

    # All live to the end: a client of the OpenAI SDK that is collected closes its connections on
    # whatever loop runs, and asyncio then takes the reader of a new one with the same descriptor.
    alive: list[Any] = []

    def prepared() -> Any:
        alive.append(_prepared(env, case))
        return alive[-1]

    original = await run(prepared())
    again = await run(prepared()) if _concurrent(original) else original
    fast = await accelerated_async(env, case, entry, runtime)
    found = await run(fast)
    return Comparison(
        original, again, found, stats(fast), _tolerance(runtime), framework.in_threads
    )


def _concurrent(outcomes: list[Outcome]) -> bool:
    return any(outcome.log.concurrent for outcome in outcomes)


def _tolerance(runtime: Runtime) -> float:
    return 0.0 if runtime.strict else TOLERANCE


__all__ = [
    "TOLERANCE",
    "Case",
    "Comparison",
    "EagerRuntime",
    "Entry",
    "Env",
    "Framework",
    "Outcome",
    "accelerated",
    "accelerated_async",
    "canonical",
    "compare",
    "compare_async",
    "observe",
    "observe_async",
    "outcome_difference",
    "parameters",
    "runtime_for",
]

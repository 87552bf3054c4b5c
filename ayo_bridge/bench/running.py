"""Has the arms ask in turns, over the same engines, and keeps what came of it."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

from ayo_bridge.autorun.settings import SWITCH, switched_off, wanted
from ayo_bridge.bench.arms import ORIGINAL, Arm, Made, ablated, accelerated
from ayo_bridge.bench.asking import Asker, Timed
from ayo_bridge.bench.conditions import conditions
from ayo_bridge.bench.identity import Checked, Identity
from ayo_bridge.bench.ingesting import Ingesting
from ayo_bridge.bench.loads import Closed, Load
from ayo_bridge.bench.places import Place
from ayo_bridge.bench.report import Report, Said
from ayo_bridge.bench.rounds import Round, in_order
from ayo_bridge.bench.sessions import Session, sessions_of
from ayo_bridge.bench.threads import Threads
from ayo_bridge.bench.wrong import BenchError
from ayo_bridge.observe import explain_state
from ayo_bridge.record.counters import Counters
from ayo_bridge.record.record import CallRecord
from ayo_bridge.verify.comparing import Comparison, Progress, wait_until_learned
from ayo_bridge.verify.target import Loaded

WARM_UP: Final = "warm-up"
CLOSED_ROUNDS: Final = 6
OPEN_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is measured.

    Args:
        loads: measured one after the other.
        warm_up: sessions of each arm beforehand: the accelerated one learns from them.
        rounds: of each load; by default 6, and 3 where sessions arrive.
        ablate: measure the accelerated arm without each of its passes, too.
        seed: of arrivals, of the sessions that come, and of intervals.
        between: called before each turn of an arm, and before a question is compared: empty a cache
            there that the arm before has filled. What it takes is in no figure.
        compared: sessions whose requests are compared, asked one by one; all by default. Answers
            are compared of all that are timed.
    """

    loads: Sequence[Load] = (Closed(1),)
    warm_up: int = 12
    rounds: int | None = None
    ablate: bool = False
    seed: int = 0
    between: Callable[[], object] = lambda: None
    compared: int | None = None

    def rounds_of(self, load: Load) -> int:
        """How many rounds a load has."""
        return self.rounds or (OPEN_ROUNDS if load.open else CLOSED_ROUNDS)


class Bench:
    """Measures an application's object against itself accelerated.

    Args:
        loaded: the object that is not accelerated.
        sessions: what is asked of it; a question by itself is a session of one.
        arms: what is compared, the accelerated one, if any, second; more may follow.
        told: is told how far it is.

    Raises:
        BenchError, VerifyError: nothing can be done for the object, or it cannot be asked so.
    """

    def __init__(
        self,
        loaded: Loaded,
        sessions: Sequence[Session | str | dict[str, Any]],
        settings: Settings,
        *,
        name: str = "",
        arms: Sequence[Arm] | None = None,
        told: Progress = lambda what, done, of: None,
    ) -> None:
        if wanted() or switched_off():
            raise BenchError(
                f"{SWITCH}={os.environ[SWITCH]} is set, which makes both arms the same: unset it"
            )
        self._loaded = loaded
        self._sessions = sessions_of(sessions)
        self._settings = settings
        self._name = name or getattr(loaded.obj, "__name__", type(loaded.obj).__name__)
        self._told = told
        chosen = list(arms or (ORIGINAL, accelerated()))
        self._arms = chosen + (ablated() if settings.ablate else [])
        self._threads = Threads()
        self._asker = Asker(loaded, self._threads)
        self._check_state()
        for question in chain.from_iterable(self._sessions):
            loaded.given(question)
        self._load = conditions()["load"]
        self._made: dict[str, Made] = {}
        self._rounds: list[Round] = []
        self._checked: list[Checked] = []
        self._alone: list[CallRecord] = []
        self._doing = ""

    def _check_state(self) -> None:
        beside = any(load.open or load != Closed(1) for load in self._settings.loads)
        if beside and self._asker.apart(self._loaded.obj) is None:
            raise BenchError(
                f"{self._name} keeps a conversation that cannot be copied, so it serves one user: "
                "leave --concurrency, --rate and --trace out"
            )

    def run(self) -> Report:
        """Measure. Interrupted (Ctrl-C), it reports what there is by then."""
        interrupted = ""
        with asyncio.Runner() as runner:
            try:
                self._all(runner)
            except KeyboardInterrupt:
                interrupted = self._doing
            finally:
                self._threads.close()
                for made in self._made.values():
                    made.close()
        return self._report(interrupted)

    def _all(self, runner: asyncio.Runner) -> None:
        self._doing = "making the objects"
        most = max(
            load.asks(block)
            for load in self._settings.loads
            for block in load.blocks(len(self._sessions))
        )
        turns = max(map(len, self._sessions))
        for arm in self._arms:
            self._made[arm.name] = arm.make(self._loaded, most * turns)
        warm = min(self._settings.warm_up, len(self._sessions))
        if warm:
            self._in_turns(runner, WARM_UP, _WarmUp(1), warm, 1)
            if self._none_answered():
                return
        self._doing = "learning"
        self._told(self._doing, 0, 1)
        wait_until_learned()
        self._check(runner)
        for load in self._settings.loads:
            rounds = self._settings.rounds_of(load)
            self._in_turns(runner, load.name, load, len(self._sessions), rounds)

    def _in_turns(
        self, runner: asyncio.Runner, name: str, load: Load, sessions: int, rounds: int
    ) -> None:
        """Rounds of one load: who comes first alternates."""
        names = [arm.name for arm in self._arms]
        blocks = load.blocks(sessions)
        asked, of = 0, sum(map(load.asks, blocks)) * rounds * len(names)
        for number in range(rounds):
            self._doing = f"{name}, round {number + 1} of {rounds}"
            for at, block in enumerate(blocks):
                turn = number * len(blocks) + at
                for arm in in_order(names, turn):
                    count = _Count(self._told, f"{self._doing}, {arm}", asked, of)
                    self._turn(runner, Round(arm, name, turn), load, block, count)
                    asked += load.asks(block)

    def _none_answered(self) -> bool:
        """Whether all calls of the original raised: then nothing can be measured."""
        of = [each.calls for each in self._rounds if each.arm == self._arms[0].name]
        return all(call.error for calls in of for call in calls)

    def _turn(
        self, runner: asyncio.Runner, done: Round, load: Load, block: Sequence[int], count: _Count
    ) -> None:
        made = self._made[done.arm]
        state, runtime = made.state, made.runtime
        self._settings.between()
        gc.collect()
        if state is not None:
            done.before = done.after = state.totals()
        self._rounds.append(done)
        began = runtime.clock() if runtime is not None else 0.0
        started, cpu = time.perf_counter(), time.process_time()
        try:
            if isinstance(made.obj, Place):
                self._ingest(runner, made.obj, block, done.calls, count)
            else:
                runner.run(self._asked(made, load, block, done.calls, count, done.number))
            done.whole = True
        finally:
            done.wall, done.cpu = time.perf_counter() - started, time.process_time() - cpu
            if (spent := made.spent) is not None:
                done.wall, done.cpu, done.memory = spent
            if (now := made.state) is not None:
                if now is not state:  # What ingests was made anew: it had done nothing before.
                    done.before = Counters()
                done.after = now.totals()
                done.records = [each for each in now.history() if each.started >= began]

    def _ingest(
        self,
        runner: asyncio.Runner,
        place: Place,
        block: Sequence[int],
        told: list[Timed],
        count: _Count,
    ) -> None:
        """Ingest as a script does: in the main thread, each time on the same loop.

        In other threads LlamaIndex makes a loop for each run, and clients that were used on the
        loop of the last one fail.
        """
        runner.get_loop()  # From now on it is this thread's.
        for number in block:
            place.begin_anew()
            if place.awaited:
                runner.run(self._asker.ask(place, number, self._sessions[number], None, told))
            else:
                self._asker.ask_here(place, number, self._sessions[number], told)
            count()

    async def _asked(
        self,
        made: Made,
        load: Load,
        block: Sequence[int],
        told: list[Timed],
        count: _Count,
        turn: int,
    ) -> None:
        beside = load.open or (isinstance(load, Closed) and load.users > 1)

        async def ask(number: int, due: float | None) -> None:
            obj = self._asker.apart(made.obj) if beside else made.obj
            await self._asker.ask(obj, number, self._sessions[number], due, told)
            count()

        await load.run(ask, block, turn)

    def _check(self, runner: asyncio.Runner) -> None:
        """Ask each session's first question of both, and compare as ``verify`` does."""
        self._doing = "comparing answers and requests"
        first, second = (self._made[arm.name] for arm in self._arms[:2])
        if second.runtime is None:
            return
        loaded = replace(self._loaded, obj=first.obj)
        comparison = Comparison(loaded, second.obj, second.runtime, runner)
        asked = self._sessions[: self._settings.compared]
        for number, (question, *_) in enumerate(asked):
            self._told(self._doing, number, len(asked))
            self._settings.between()
            both = comparison.compare(question)
            raised = (both.original.error, both.fast.error)
            self._checked.append(Checked(both.compared, both.requests, raised))
            self._alone.append(both.original.record)
        self._told(self._doing, len(asked), len(asked))

    def _report(self, interrupted: str) -> Report:
        said = Said(
            target=self._name,
            what=self._loaded.what,
            entry=self._loaded.named,
            sessions=len(self._sessions),
            questions=sum(map(len, self._sessions)),
            warm_up=WARM_UP,
            arms=[arm.name for arm in self._arms],
            loads=[(load.name, load.open) for load in self._settings.loads],
            rounds={load.name: self._settings.rounds_of(load) for load in self._settings.loads},
            seed=self._settings.seed,
            explained=self._explained(),
            interrupted=interrupted,
            conditions=conditions() | {"load": self._load},  # As it was before.
            corpus=self._loaded.corpus if isinstance(self._loaded, Ingesting) else None,
        )
        names = [arm.name for arm in self._arms]
        identity = Identity.of(self._checked, self._rounds, names, self._sessions)
        return Report.of(said, self._rounds, identity, self._alone)

    def _explained(self) -> str:
        made = self._made.get(self._arms[1].name)
        return str(explain_state(made.state).verdict) if made and made.state else ""


class _WarmUp(Closed):
    """One user, who asks all before it is another arm's turn."""

    def blocks(self, sessions: int) -> list[Sequence[int]]:
        return [range(sessions)]


class _Count:
    """Tells how many sessions are done."""

    def __init__(self, told: Progress, what: str, done: int, of: int) -> None:
        self._told, self._what, self._done, self._of = told, what, done, of
        told(what, done, of)

    def __call__(self) -> None:
        self._done += 1
        self._told(self._what, self._done, self._of)


__all__ = ["WARM_UP", "Bench", "Settings"]

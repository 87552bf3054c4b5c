"""One run: queries that arrive at so many replicas, from the first to the last answer."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, cast

from ayo_bridge.schedule import EngineScheduler, policy_for
from ayo_bridge.schedule.request import Abortable, Done
from ayo_bridge.seam import Call, Engine, EngineKind, Limits, Usage
from ayo_bridge.simulate import (
    Batching,
    LLMRequest,
    SimulatedBatchEngine,
    VirtualPlacement,
    run_virtual,
)
from ayo_bridge.simulate.generation import Generation
from ayo_bridge.simulate.iterations import Instance
from ayo_bridge.simulate.requests import block_hashes
from ayo_bridge.simulate.trace import no_trace
from benchmarks.advanced_app import COSTS
from benchmarks.advanced_app import EMBEDDING as EMBEDDING_COSTS
from benchmarks.advanced_app import STORE as STORE_COSTS
from benchmarks.scale.routers import ROUTERS, Asked, Router
from benchmarks.scale.workload import EMBEDDING, LLM, MODES, STORE, Workload
from benchmarks.tiers import Query

POLICY: Final = "critical_path"
BATCH: Final = 128
BLOCK: Final = 128
"""Tokens of a block of a prefix cache: vLLM's on a CPU; with smaller ones a run takes longer."""
SHARES: Final = 10
"""Parts of a run after each of which the process's memory is noted."""
_REPLICAS_A_STORE: Final = 50
"""Of the other engines there are enough: they are not the question."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Setup:
    """A run. ``rate`` is queries/s; at 0 all come at once. ``processes`` share the replicas, each
    with a router of its own that sees only what it sends itself; queries go to them in turns."""

    router: str
    replicas: int
    queries: int
    rate: float
    seed: int = 1
    processes: int = 1


@dataclass(slots=True)
class Outcome:
    """What came of a run, in virtual seconds but for ``cpu``: the simulation's own CPU seconds."""

    seconds: float
    latencies: dict[str, array[float]]
    """By shape, in order of their ends."""
    prompt_tokens: int
    """Of all calls, warms included."""
    cached_tokens: int
    """Of these, those that were found in a replica's cache."""
    begun_ahead: int
    """Calls whose prompt was begun ahead."""
    found: int
    """Of these, those that found all of what was begun in the cache of their replica."""
    calls: Sequence[int]
    """By replica; warms are not counted."""
    cpu: float
    memory: Sequence[int]
    """Bytes of the process after each tenth of the queries."""

    @property
    def every(self) -> list[float]:
        """All latencies."""
        return [seconds for each in self.latencies.values() for seconds in each]


class Replicas:
    """A placement: sends each call to the replica that a router chooses.

    ``instances`` are vLLM's of today: chunked prefills, a prefix cache.
    """

    def __init__(self, count: int, routers: Sequence[Router]) -> None:
        self._loop = asyncio.get_running_loop()
        batching = Batching(block=BLOCK)
        self.instances = [Instance(LLM, i, COSTS, batching, no_trace) for i in range(count)]
        self._routers = routers
        self._numbers = itertools.count()
        self._begun: dict[tuple[int, str], int] = {}
        self.calls = [0] * count
        self.begun_ahead = self.found = 0

    def start(
        self, engine: Engine, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        """Start a call, which is a batch of its own. A warm goes last."""
        (call,) = calls
        request = cast(LLMRequest, call.payload)
        number, name = cast(tuple[int, str], call.key)
        router = self._routers[number % len(self._routers)]
        asked = Asked(request.prompt, request.tokens, call.warm)
        replica = router.choose(asked, self._loop.time())
        if call.warm:
            self._begun[number, name] = asked.tokens
        else:
            self.calls[replica] += 1

        def finish(result: object) -> None:
            if not call.warm:
                self._count(self._begun.pop((number, _begun_as(name)), 0), generation.cached)
            usage = Usage(generation.length, request.tokens, generation.cached)
            router.ended(asked, replica, self._loop.time(), usage)
            done([result])

        generation = Generation(
            request,
            (int(call.warm), 0, next(self._numbers)),
            finish,
            block_hashes(request.prompt, BLOCK),
        )
        self.instances[replica].add(generation)
        abortable(partial(self.instances[replica].abort, generation))

    def _count(self, begun: int, cached: int) -> None:
        """A call has ended, of whose prompt so many tokens were begun ahead."""
        self.begun_ahead += begun > 0
        self.found += 0 < begun // BLOCK * BLOCK <= cached


@dataclass(slots=True)
class Noted:
    """A name and limits for the scheduler; the replicas are behind its placement."""

    name: str = LLM
    kind: EngineKind = EngineKind.LLM
    limits: Limits = field(default_factory=Limits)


def simulate(setup: Setup) -> Outcome:
    """Run it."""
    return run_virtual(_serve(setup))


async def _serve(setup: Setup) -> Outcome:
    loop, workload = asyncio.get_running_loop(), Workload()
    make = ROUTERS[setup.router]
    routers = [make(setup.replicas, COSTS.kv_tokens) for _ in range(setup.processes)]
    replicas = Replicas(setup.replicas, routers)
    tiers = _tiers(setup.replicas, replicas)
    latencies: dict[str, array[float]] = {mode.value: array("d") for mode in MODES}
    memory: list[int] = []
    all_ended = asyncio.Event()
    chance = random.Random(f"arrivals {setup.seed}")
    ended_count = 0
    last = 0.0

    def arrive(number: int) -> None:
        shape = workload.shape(number)
        Query(shape, number, tiers, workload.call, ended, loop.time()).start()
        if number + 1 < setup.queries:
            gap = chance.expovariate(setup.rate) if setup.rate else 0.0
            loop.call_at(loop.time() + gap, arrive, number + 1)

    def ended(query: Query) -> None:
        nonlocal ended_count, last
        last = loop.time()
        latencies[workload.mode(query.number).value].append(last - query.since)
        ended_count += 1
        if ended_count * SHARES // setup.queries > len(memory):
            memory.append(_resident())
        if ended_count == setup.queries:
            all_ended.set()

    started = time.process_time()
    loop.call_soon(arrive, 0)
    await all_ended.wait()
    instances = replicas.instances
    return Outcome(
        last,
        latencies,
        sum(instance.prompt_tokens for instance in instances),
        sum(instance.cached_tokens for instance in instances),
        replicas.begun_ahead,
        replicas.found,
        replicas.calls,
        time.process_time() - started,
        memory,
    )


def _tiers(count: int, replicas: Replicas) -> dict[str, EngineScheduler]:
    """One engine scheduler for all replicas, which admits everything; one for each other engine."""
    loop = asyncio.get_running_loop()
    policy = policy_for(EngineKind.LLM, POLICY)
    limits = Limits(instances=count, continuous=True)
    tiers = {LLM: EngineScheduler(cast(Engine, Noted(limits=limits)), policy, replicas, loop.time)}
    others = Limits(-(-count // _REPLICAS_A_STORE), BATCH)
    for name, costs in ((EMBEDDING, EMBEDDING_COSTS), (STORE, STORE_COSTS)):
        engine = SimulatedBatchEngine(name, costs, limits=others)
        policy = policy_for(engine.kind, POLICY)
        place = VirtualPlacement()
        tiers[name] = EngineScheduler(cast(Engine, engine), policy, place, loop.time)
    return tiers


def _begun_as(name: str) -> str:
    """The primitive that begins the prompt of this one, if any does."""
    return name.replace("[full]", "[partial]")


def _resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE

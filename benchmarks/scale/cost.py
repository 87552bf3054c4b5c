"""What decisions cost: CPU time of the two tiers and of routers, and what one process can feed."""

from __future__ import annotations

import gc
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, cast

from ayo_bridge.schedule import EngineScheduler, policy_for
from ayo_bridge.seam import Call, Engine, EngineKind, Limits, Usage
from ayo_bridge.simulate import LLMRequest, run_virtual
from benchmarks.advanced_app import COSTS, advanced, inputs, simulated
from benchmarks.scale.routers import ROUTERS, Asked
from benchmarks.scale.run import BATCH, POLICY, Noted
from benchmarks.scale.workload import EMBEDDING, LLM, STORE, Workload
from benchmarks.scheduler import Ends
from benchmarks.tiers import Query

Json = dict[str, Any]
ROUNDS: Final = 3
QUERIES: Final = 1_500
UNDER_WAY: Final = 500
"""Queries at any time, in the two tiers."""
NATIVE: Final = 200
A_REPLICA: Final = 8
"""Calls under way at each replica, where routers are measured; at most :data:`MOST` in all."""
MOST: Final = 2_000


def costs(sizes: Sequence[int]) -> Json:
    """CPU seconds; the median of some rounds."""
    asked = _asked()
    return {
        "calls": len(asked) / QUERIES,
        "tiers": _median(_tiers),
        "native": _median(_native),
        "decision": {
            router: {
                str(count): _median(partial(_decisions, router, count, asked)) for count in sizes
            }
            for router in ROUTERS
        },
    }


def _median(once: Callable[[], float]) -> float:
    return statistics.median(once() for _ in range(ROUNDS))


def _timed(run: Callable[[], object]) -> float:
    gc.collect()
    started = time.process_time()
    run()
    return time.process_time() - started


def _tiers() -> float:
    """Of a query in both tiers; its engines take no time, and it is routed nowhere."""
    workload, placement = Workload(), Ends()
    ended = 0
    numbers = iter(range(QUERIES))

    def begin() -> None:
        if (number := next(numbers, None)) is not None:
            shape = workload.shape(number)
            Query(shape, number, tiers, workload.call, end, 0.01 * number).start()

    def end(query: Query) -> None:
        nonlocal ended
        ended += 1
        begin()

    def run() -> None:
        for _ in range(UNDER_WAY):
            begin()
        while ended < QUERIES:
            placement.end_next()

    limits = {LLM: Limits(continuous=True), EMBEDDING: Limits(8, BATCH), STORE: Limits(8, BATCH)}
    kinds = {LLM: EngineKind.LLM, EMBEDDING: EngineKind.EMBEDDING, STORE: EngineKind.VECTOR_STORE}
    tiers = {
        name: EngineScheduler(
            cast(Engine, Noted(name, kind, limits[name])),
            policy_for(kind, POLICY),
            placement,
            lambda: 0.0,
        )
        for name, kind in kinds.items()
    }
    return _timed(run) / QUERIES


def _native() -> float:
    """Of a native query of the advanced app: passes, both tiers, handlers, simulated engines."""
    app, workflow = simulated(POLICY), advanced()

    async def run() -> float:
        await app.submit(inputs(0), workflow)
        started = time.process_time()
        for number in range(NATIVE):
            await app.submit(inputs(number + 1), workflow)
        return (time.process_time() - started) / NATIVE

    return run_virtual(run())


def _asked() -> list[Asked]:
    """The LLM calls of some queries, in the order of their graphs."""
    workload = Workload()
    found = []
    for number in range(QUERIES):
        shape = workload.shape(number)
        query = Query(shape, number, {}, _never, lambda query: None, 0.0)
        for primitive in shape.graph:
            if primitive.engine == LLM and primitive.prompt:
                call = workload.call(query, primitive)
                request = cast(LLMRequest, call.payload)
                found.append(Asked(request.prompt, request.tokens, call.warm))
    return found


def _never(query: Query, primitive: object) -> Call:
    raise AssertionError("it is not started")


def _decisions(name: str, count: int, asked: Sequence[Asked]) -> float:
    """Of a call: choosing its replica, and hearing of its end."""
    router = ROUTERS[name](count, COSTS.kv_tokens)
    under_way: deque[tuple[Asked, int]] = deque()
    most = min(A_REPLICA * count, MOST)

    def run() -> None:
        now = 0.0
        for each in asked:
            now += 0.01
            under_way.append((each, router.choose(each, now)))
            if len(under_way) > most:
                ended, replica = under_way.popleft()
                router.ended(ended, replica, now, Usage(ended.tokens, ended.output, 0))

    return _timed(run) / len(asked)

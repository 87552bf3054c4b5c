"""Simulated engines whose calls take a time known when they start: batches, and remote APIs."""

from __future__ import annotations

import asyncio
import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass

from ayo_bridge.profile import EngineProfile
from ayo_bridge.schedule.request import Done
from ayo_bridge.seam import AsyncEngine, BatchEngine, Call, EngineKind, Limits
from ayo_bridge.simulate.requests import ApiRequest, BatchRequest
from ayo_bridge.simulate.serving import (
    Abort,
    fail,
    nothing_to_abort,
    serve,
    start_each,
    wrong_payload,
)
from ayo_bridge.simulate.trace import Busy, Trace, no_trace


class SimulatedBatchEngine(BatchEngine):
    """Serves :class:`BatchRequest` payloads in batches: embeddings, reranking, a vector store.

    Args:
        name: the engine's name.
        profile: seconds by items; by operation, where an engine has several (a store's insert and
            search), which then share no batch.
        limits: by default one instance and batches of at most b*, of several operations the least.
        trace: is told of every batch.
    """

    def __init__(
        self,
        name: str,
        profile: EngineProfile | Mapping[str, EngineProfile],
        *,
        limits: Limits | None = None,
        trace: Trace = no_trace,
    ) -> None:
        self.name = name
        self.profiles = {"": profile} if isinstance(profile, EngineProfile) else dict(profile)
        self.kind = EngineKind(next(iter(self.profiles.values())).kind)
        best = [p.best_batch for p in self.profiles.values() if p.best_batch is not None]
        self.limits = limits or Limits(max_items=min(best, default=None))
        self._trace = trace
        self._free = list(range(self.limits.instances))
        self._queue: deque[_Batch] = deque()

    def call(self, key: Hashable, request: BatchRequest, items: int = 1) -> Call:
        """The call that makes a request of ``items`` texts, pairs, rows or vectors."""
        group = (self.name, request.operation)
        return Call(self.name, key, request, items=items, group=group, deterministic=True)

    def seconds(self, calls: Sequence[Call]) -> float:
        """How long calls of one operation take together."""
        operations = {_request(call).operation for call in calls}
        if len(operations) != 1:
            raise ValueError(f"{self.name!r} runs one operation a batch, not {sorted(operations)}")
        return self.profiles[operations.pop()].curve.seconds(sum(call.items for call in calls))

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        """The results, at once; the time is charged by :meth:`start`."""
        return [_request(call).result for call in calls]

    def start(self, calls: Sequence[Call], done: Done) -> Abort:
        """Start a batch, or queue it while all instances are busy.

        As in a thread, one that has started runs to its end.
        """
        try:
            batch = _Batch(calls, self.seconds(calls), self.run(calls), done)
        except (KeyError, TypeError, ValueError) as error:
            asyncio.get_running_loop().call_soon(done, [error for _ in calls])
            return nothing_to_abort
        self._queue.append(batch)
        self._next()
        return lambda: self._abort(batch)

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue and self._free:
            batch, instance = self._queue.popleft(), heapq.heappop(self._free)
            loop.call_later(batch.seconds, self._end, batch, instance, loop.time())

    def _end(self, batch: _Batch, instance: int, start: float) -> None:
        heapq.heappush(self._free, instance)
        items = sum(call.items for call in batch.calls)
        end = start + batch.seconds
        self._trace(Busy(self.name, instance, start, end, calls=len(batch.calls), items=items))
        self._next()
        batch.done(batch.results)

    def _abort(self, batch: _Batch) -> None:
        if batch in self._queue:
            self._queue.remove(batch)
            batch.done([CancelledError() for _ in batch.calls])


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    calls: Sequence[Call]
    seconds: float
    results: Sequence[object]
    done: Done


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A latency distribution: half of all calls take less than ``median`` seconds.

    ``sigma`` is the standard deviation of the logarithm; 0 makes every call take the median.
    """

    median: float
    sigma: float = 0.25

    def sample(self, source: random.Random) -> float:
        """Draw seconds."""
        return self.median * math.exp(source.gauss(0.0, self.sigma))


class SimulatedSearchApi(AsyncEngine):
    """Serves :class:`ApiRequest` payloads; a remote API that takes any number of calls at once.

    The latency of a call follows from ``seed`` and its key alone, so that it is the same in every
    experiment that makes the call, in whatever order.
    """

    kind = EngineKind.SEARCH_API

    def __init__(
        self,
        name: str,
        latency: LogNormal,
        *,
        seed: int = 0,
        limits: Limits | None = None,
        trace: Trace = no_trace,
    ) -> None:
        self.name = name
        self.latency = latency
        self.limits = limits or Limits(continuous=True)
        self._seed = seed
        self._trace = trace

    def call(self, key: Hashable, request: ApiRequest) -> Call:
        """The call that makes a request; ``key`` should have a stable ``repr``."""
        return Call(self.name, key, request)

    def seconds(self, call: Call) -> float:
        """How long a call takes."""
        return self.latency.sample(random.Random(f"{self._seed}:{self.name}:{call.key!r}"))

    async def serve(self, call: Call) -> object:
        """Serve one call and return its result; cancelling ends it."""
        return await serve(self, call)

    def start(self, calls: Sequence[Call], done: Done) -> Abort:
        """Start calls together."""
        return start_each(self._begin, calls, done)

    def _begin(self, call: Call, finish: Callable[[object], None]) -> Abort:
        request = call.payload
        if not isinstance(request, ApiRequest):
            return fail(finish, wrong_payload(call, ApiRequest))
        loop = asyncio.get_running_loop()
        start = loop.time()
        ended = False

        def end(result: object) -> None:
            nonlocal ended
            if not ended:
                ended = True
                timer.cancel()
                self._trace(Busy(self.name, 0, start, loop.time(), calls=1, items=1))
                finish(result)

        timer = loop.call_at(start + self.seconds(call), end, request.result)
        return lambda: end(CancelledError())


def _request(call: Call) -> BatchRequest:
    if not isinstance(call.payload, BatchRequest):
        raise wrong_payload(call, BatchRequest)
    return call.payload

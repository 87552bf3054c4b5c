"""The engines of LlamaDist: each behind a queue of its own (paper, section 7.1).

PO: what one invocation of a module asks is a bundle; bundles are served one by one. TO: what waits
is served together, up to b*. An LLM batches by itself: its queue admits what its KV cache holds.
Queue and policies are the library's own, so that a baseline differs in orchestration only.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Any, Final, cast

from ayo_bridge.profile.curve import max_efficient_batch
from ayo_bridge.profile.measure import measure_batches
from ayo_bridge.schedule import POLICIES, EngineScheduler
from ayo_bridge.schedule.placement import ThreadPlacement
from ayo_bridge.schedule.request import Abortable, Done
from ayo_bridge.seam import AsyncEngine, BatchEngine, Call, Engine, EngineKind, Limits

PO: Final = "per_invocation"
TO: Final = "throughput"
LARGEST: Final = 128
"""Batches are doubled up to this size, to find b*."""

Serve = Callable[[str, list[Any]], Sequence[Any]]
"""``serve(how, items)``: one batch of requests of one kind; a result for each."""


def best_batch(serve: Serve, how: str, item: Any) -> int:
    """b*: the size is doubled until throughput stops rising (paper, section 5.2)."""

    def run(size: int) -> float:
        started = time.perf_counter()
        serve(how, [item] * size)
        return time.perf_counter() - started

    curve = measure_batches(run, LARGEST, repeats=3)
    return max_efficient_batch(curve.points) or LARGEST


class _Batched(BatchEngine):
    """Calls hold lists of items; a batch is one list."""

    def __init__(self, name: str, kind: EngineKind, serve: Serve, best: int) -> None:
        self.name, self.kind, self.limits = name, kind, Limits(max_items=best)
        self._serve = serve

    def run(self, calls: Sequence[Call]) -> list[object]:
        lists = [cast(list[Any], call.payload) for call in calls]
        served = iter(self._serve(str(calls[0].group), [*itertools.chain(*lists)]))
        return [[next(served) for _ in each] for each in lists]


class Batches:
    """The queue of an engine that runs batches to completion."""

    def __init__(self, name: str, kind: EngineKind, serve: Serve, best: int, policy: str) -> None:
        self._best = best
        self._placement = ThreadPlacement(name, 1)
        engine = _Batched(name, kind, serve, best)
        self.scheduler = EngineScheduler(engine, POLICIES[policy], self._placement, time.monotonic)

    def ask(self, invocation: Hashable, how: str, items: Sequence[Any]) -> list[Future[Any]]:
        """Queue items of one kind; each future has the results of some of them, in their order."""
        parts = [items[at : at + self._best] for at in range(0, len(items), self._best)]
        with self.scheduler.held():
            return [
                self.scheduler.submit(
                    Call(self.scheduler.engine.name, None, [*part], len(part), how),
                    query=invocation,
                    node=how,
                ).future
                for part in parts
            ]

    def close(self) -> None:
        """Take no more."""
        self._placement.close()


class _Served(AsyncEngine):
    """An LLM behind its own server: who is admitted calls it himself."""

    kind = EngineKind.LLM

    def __init__(self, name: str, kv_tokens: int | None) -> None:
        self.name, self.limits = name, Limits(max_items=kv_tokens, continuous=True)

    async def serve(self, call: Call) -> object:
        raise NotImplementedError("who is admitted calls the server himself")


class Admission:
    """The queue before an LLM's server: first come, first admitted, as far as its KV cache holds.

    With PO the calls of one invocation are admitted before those of the next; between the two
    policies there is little more than that, since the server batches whatever runs.

    Args:
        kv_tokens: what the cache holds; ``None``: unknown, and everything is admitted.
    """

    def __init__(self, name: str, policy: str, kv_tokens: int | None = None) -> None:
        self._most = kv_tokens
        self._tickets = itertools.count()
        self._inside: dict[int, Callable[[], None]] = {}
        engine = _Served(name, kv_tokens)
        self.scheduler = EngineScheduler(engine, POLICIES[policy], self, time.monotonic)

    def enter(self, invocation: Hashable, tokens: int) -> Future[int]:
        """Queue a call that will hold so many tokens; the future has the ticket to leave with."""
        admitted: Future[int] = Future()
        items = max(1, tokens if self._most is None else min(tokens, self._most))
        call = Call(self.scheduler.engine.name, None, admitted, items)
        self.scheduler.submit(call, query=invocation, node="llm")
        return admitted

    def leave(self, ticket: int) -> None:
        """The call has ended."""
        self._inside.pop(ticket)()

    def start(
        self, engine: Engine, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        """Admit a call: a placement whose batches run elsewhere. Calls of no group come alone."""
        (call,) = calls
        ticket = next(self._tickets)
        self._inside[ticket] = lambda: done([None])
        cast("Future[int]", call.payload).set_result(ticket)


__all__ = ["LARGEST", "PO", "TO", "Admission", "Batches", "Serve", "best_batch"]

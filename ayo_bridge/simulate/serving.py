"""What simulated engines have in common: calls begin at once and report when they have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Protocol

from ayo_bridge.schedule.request import Done
from ayo_bridge.seam import Call, EngineKind, Limits

Abort = Callable[[], None]
Begin = Callable[[Call, Callable[[object], None]], Abort]
"""Begins one call; the callback gets its result, or an exception, once and never at once."""


class SimulatedEngine(Protocol):
    """An engine that runs on the virtual clock, without threads and without tasks."""

    name: str
    kind: EngineKind
    limits: Limits

    def start(self, calls: Sequence[Call], done: Done) -> Abort:
        """Start calls together on the running loop; an aborted call ends with CancelledError."""


def start_each(begin: Begin, calls: Sequence[Call], done: Done) -> Abort:
    """Begin every call by itself and report when all have ended."""
    results: list[object] = [None] * len(calls)
    missing = len(calls)

    def finish(place: int, result: object) -> None:
        nonlocal missing
        results[place] = result
        missing -= 1
        if missing == 0:
            done(results)

    def finisher(place: int) -> Callable[[object], None]:
        return lambda result: finish(place, result)

    aborts = [begin(call, finisher(place)) for place, call in enumerate(calls)]

    def abort() -> None:
        for each in aborts:
            each()

    return abort


async def serve(engine: SimulatedEngine, call: Call) -> object:
    """Serve one call as an :class:`~ayo_bridge.seam.engine.AsyncEngine` does."""
    future: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def done(results: Sequence[object]) -> None:
        if not future.done():
            future.set_result(results[0])

    abort = engine.start([call], done)
    try:
        result = await future
    except asyncio.CancelledError:
        abort()
        raise
    if isinstance(result, CancelledError):
        raise asyncio.CancelledError
    if isinstance(result, BaseException):
        raise result
    return result


def fail(finish: Callable[[object], None], error: Exception) -> Abort:
    """Begin what can only fail: the error is reported by the loop's next round."""
    asyncio.get_running_loop().call_soon(finish, error)
    return nothing_to_abort


def nothing_to_abort() -> None:
    """Aborts what will end by itself."""


def wrong_payload(call: Call, wanted: type) -> TypeError:
    """The error of a call that was made for another engine."""
    given = type(call.payload).__name__
    return TypeError(f"{call.engine!r} serves {wanted.__name__}, not {given}")

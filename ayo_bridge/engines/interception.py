"""What a binding does with a call that the original makes under a scope.

In: the call and the original function. Out: the result the original would have got, computed ahead,
together with other queries' calls, or there and then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

from ayo_bridge.engines.protocol import Call, EngineKind
from ayo_bridge.runahead.current import entered

if TYPE_CHECKING:
    from ayo_bridge.observe.call import EngineCall
    from ayo_bridge.runahead.scope import Scope
    from ayo_bridge.schedule import EngineScheduler, Request

T = TypeVar("T")
Own = Callable[[Any], Any]
"""Copies a result: the original may change what it gets while the graph keeps reading."""


def serve(scope: Scope, call: Call, kind: EngineKind, original: Callable[[], T], own: Own) -> T:
    """Give the original the result computed ahead, or have the engine's scheduler serve the call.

    Blocks no longer than the engine works: what is waited for needs nothing of the calling thread,
    not even where that runs an event loop.
    """
    ahead = scope.claim(call.key)
    hit = ahead.wait() if ahead is not None else None
    if hit is not None:
        return own(hit.value)  # type: ignore[no-any-return]
    observation = scope.direct(call.engine, kind, call.key, items=call.items)
    record = observation.record
    scheduler = scope.runtime.scheduler(call.engine)
    request: Request | None = None
    try:
        with entered(None):  # A nested call to the same engine would wait for itself.
            here, result = scheduler.run_here(call, original)
        if not here:
            request = _submit(scope, scheduler, call, record)
            result = _wait(scheduler, request, original)
    except BaseException as error:
        observation.failed(error)
        _note(record, request)
        raise
    observation.done(own(result) if observation.wanted else None)
    _note(record, request)
    scope.runtime.profiles.observe(record)
    return result  # type: ignore[return-value]


def take(scope: Scope, call: Call, kind: EngineKind, original: Callable[[], T], own: Own) -> T:
    """Give the original the result computed ahead, or let it make its call untouched."""
    ahead = scope.claim(call.key)
    hit = ahead.wait() if ahead is not None else None
    if hit is not None:
        return own(hit.value)  # type: ignore[no-any-return]
    return observe(scope, call, kind, original, own)


async def take_async(
    scope: Scope, call: Call, kind: EngineKind, original: Callable[[], Awaitable[T]], own: Own
) -> T:
    """Like :func:`take`, for a call that is awaited."""
    ahead = scope.claim(call.key)
    hit = await ahead.wait_async() if ahead is not None else None
    if hit is not None:
        return own(hit.value)  # type: ignore[no-any-return]
    return await observe_async(scope, call, kind, original, own)


def observe(scope: Scope, call: Call, kind: EngineKind, original: Callable[[], T], own: Own) -> T:
    """Let the original make its call untouched, and let the graph see the result."""
    observation = scope.direct(call.engine, kind, call.key, items=call.items)
    try:
        result = original()
    except BaseException as error:
        observation.failed(error)
        raise
    observation.done(own(result) if observation.wanted else None)
    return result


async def observe_async(
    scope: Scope, call: Call, kind: EngineKind, original: Callable[[], Awaitable[T]], own: Own
) -> T:
    """Like :func:`observe`, for a call that is awaited."""
    observation = scope.direct(call.engine, kind, call.key, items=call.items)
    try:
        result = await original()
    except BaseException as error:
        observation.failed(error)
        raise
    observation.done(own(result) if observation.wanted else None)
    return result


def _submit(scope: Scope, scheduler: EngineScheduler, call: Call, record: EngineCall) -> Request:
    record.fused = True
    depth = scope.place(record)
    return scheduler.submit(
        call,
        query=scope.number,
        node=record.primitive,
        depth=depth,
        since=scope.record.started,
    )


def _wait(scheduler: EngineScheduler, request: Request, original: Callable[[], object]) -> object:
    try:
        return request.future.result()
    except CancelledError:
        if not request.future.cancelled():
            raise
        return original()  # The runtime was closed meanwhile; the original needs its result.
    except BaseException:
        if not request.future.done():  # Not the call's own error: the waiting was interrupted.
            scheduler.cancel(request)
        raise


def _note(record: EngineCall, request: Request | None) -> None:
    """When the engine worked, as opposed to how long the original waited."""
    if request is not None and request.started_at is not None and request.ended_at is not None:
        record.started, record.ended = request.started_at, request.ended_at
        record.batch = request.batch


def watch(scope: Scope, engine: str, kind: EngineKind, original: Callable[[], T]) -> T:
    """Let the original make its call untouched, under a quiet scope: nobody else wants to know."""
    observation = scope.direct(engine, kind)
    try:
        result = original()
    except BaseException as error:
        observation.failed(error)
        raise
    observation.done()
    return result


async def watch_async(
    scope: Scope, engine: str, kind: EngineKind, original: Callable[[], Awaitable[T]]
) -> T:
    """Like :func:`watch`, for a call that is awaited."""
    observation = scope.direct(engine, kind)
    try:
        result = await original()
    except BaseException as error:
        observation.failed(error)
        raise
    observation.done()
    return result

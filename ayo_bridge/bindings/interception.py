"""What a binding does with a call that the original makes under a scope.

In: the call and the original function. Out: the result the original would have got, computed ahead,
together with other queries' calls, or there and then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ayo_bridge.seam import Call, EngineKind, Scope

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
    try:
        result = scope.scheduled(call, observation.record, original)
    except BaseException as error:
        observation.failed(error)
        raise
    observation.done(own(result) if observation.wanted else None)
    scope.runtime.profiles.observe(observation.record)
    return result  # type: ignore[no-any-return]


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

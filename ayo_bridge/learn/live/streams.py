"""Streams whose calls are learned: each step is one of the call that made the stream."""

from __future__ import annotations

import sys
import weakref
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from typing import Any, TypeVar

from ayo_bridge.learn.live.entry import Following
from ayo_bridge.learn.live.learned import Learned
from ayo_bridge.learn.tracing.places import within
from ayo_bridge.lift.entry import Kind
from ayo_bridge.seam import entered

T = TypeVar("T")


def followed_stream(
    stream: Iterator[T],
    learned: Learned,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    original: Callable[..., Iterator[T]],
    own: Iterable[object] = (),
) -> Generator[T, Any, Any]:
    """A generator of the items of ``stream``, whose call begins with its first step.

    ``original`` made it.
    """
    call = learned.open(sys._getframe(), args, kwargs)
    if call is None:
        return (yield from stream)
    call.uses(own)
    if call.scope.verification is not None:
        learned.compares(call, original, Kind.STREAM, args, kwargs)
    steps = stream if isinstance(stream, Generator) else (item for item in stream)
    following = Following(learned, call)
    following.begin()
    return (yield from _steps(steps, following))


def stepped(stream: Generator[T, Any, Any], following: Following) -> Generator[T, Any, Any]:
    """A generator that runs each step of ``stream`` as part of a call, and ends that with it."""
    generator = _steps(stream, following)
    weakref.finalize(generator, following.leave)  # Dropped before its first step it runs nothing.
    return generator


def _steps(stream: Generator[T, Any, Any], following: Following) -> Generator[T, Any, Any]:
    call = following.call
    try:
        while True:
            with within(call.where), entered(call.scope):
                try:
                    item = next(stream)
                except StopIteration as end:
                    return end.value
            if call.scope.verification is not None:
                call.scope.verification.passed(item)
            yield item
    except BaseException as error:
        following.failed(error)
        raise
    finally:
        with within(call.where), entered(call.scope):
            stream.close()
        following.end()


def followed_async_stream(
    stream: AsyncIterator[T],
    learned: Learned,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    original: Callable[..., AsyncIterator[T]],
    own: Iterable[object] = (),
) -> AsyncGenerator[T, Any]:
    """Like :func:`followed_stream`, for an asynchronous iterator."""
    begun: list[Following] = []
    generator = _begun(stream, learned, args, kwargs, original, own, begun)
    weakref.finalize(generator, _left, begun)  # Its loop may be gone before it is closed.
    return generator


async def _begun(
    stream: AsyncIterator[T],
    learned: Learned,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    original: Callable[..., AsyncIterator[T]],
    own: Iterable[object],
    begun: list[Following],
) -> AsyncGenerator[T, Any]:
    steps = stream if isinstance(stream, AsyncGenerator) else (item async for item in stream)
    call = learned.open(sys._getframe(), args, kwargs)
    if call is not None:
        call.uses(own)
        if call.scope.verification is not None:
            learned.compares(call, original, Kind.ASTREAM, args, kwargs)
        following = Following(learned, call)
        begun.append(following)
        following.begin()
        steps = _async_steps(steps, following)
    async with aclosing(steps):
        async for item in steps:
            yield item


def stepped_async(stream: AsyncGenerator[T, Any], following: Following) -> AsyncGenerator[T, Any]:
    """Like :func:`stepped`, for an asynchronous generator."""
    generator = _async_steps(stream, following)
    weakref.finalize(generator, following.leave)
    return generator


async def _async_steps(
    stream: AsyncGenerator[T, Any], following: Following
) -> AsyncGenerator[T, Any]:
    call = following.call
    try:
        while True:
            with within(call.where), entered(call.scope):
                try:
                    item = await anext(stream)
                except StopAsyncIteration:
                    return
            if call.scope.verification is not None:
                call.scope.verification.passed(item)
            yield item
    except BaseException as error:
        following.failed(error)
        raise
    finally:
        with within(call.where), entered(call.scope):
            await stream.aclose()
        following.end()


def _left(begun: Sequence[Following]) -> None:
    for following in begun:
        following.leave()

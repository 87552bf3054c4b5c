"""Streams that outlive the call that made them keep its scope open until they end."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Generator
from typing import Any, TypeVar

from ayo_bridge.runahead.scope import Scope
from ayo_bridge.seam import entered

T = TypeVar("T")


def scoped_stream(stream: Generator[T, Any, Any], scope: Scope) -> Generator[T, Any, Any]:
    """A generator that runs each step of ``stream`` under ``scope`` and closes it at the end.

    The context variable is set around each step and never across a ``yield``. A generator that is
    dropped before its first step runs no ``finally``; a finalizer closes the scope then.
    """
    generator = _stream(stream, scope)
    weakref.finalize(generator, _left, scope)
    return generator


def _stream(stream: Generator[T, Any, Any], scope: Scope) -> Generator[T, Any, Any]:
    try:
        while True:
            with entered(scope):
                try:
                    item = next(stream)
                except StopIteration as end:
                    return end.value
            if scope.verification is not None:
                scope.verification.passed(item)
            yield item
    except BaseException as error:
        _note(scope, error)
        raise
    finally:
        with entered(scope):
            stream.close()
        scope.close()


def scoped_async_stream(stream: AsyncGenerator[T, Any], scope: Scope) -> AsyncGenerator[T, Any]:
    """Like :func:`scoped_stream`, for asynchronous generators."""
    generator = _async_stream(stream, scope)
    weakref.finalize(generator, _left, scope)
    return generator


async def _async_stream(stream: AsyncGenerator[T, Any], scope: Scope) -> AsyncGenerator[T, Any]:
    try:
        while True:
            with entered(scope):
                try:
                    item = await anext(stream)
                except StopAsyncIteration:
                    return
            if scope.verification is not None:
                scope.verification.passed(item)
            yield item
    except BaseException as error:
        _note(scope, error)
        raise
    finally:
        with entered(scope):
            await stream.aclose()
        scope.close()


def _note(scope: Scope, error: BaseException) -> None:
    if isinstance(error, GeneratorExit):
        scope.record.abandoned = True
    else:
        scope.record.error = repr(error)


def _left(scope: Scope) -> None:
    """The generator is gone. If it has not come to an end, it was never begun."""
    if not scope.closed:
        scope.record.abandoned = True
        scope.close()

"""Functions whose calls are learned: the same to their callers."""

from __future__ import annotations

import enum
import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from ayo_bridge.learn.live.call import LiveCall
from ayo_bridge.learn.live.learned import Learned
from ayo_bridge.learn.places import within
from ayo_bridge.seam import entered

Function = Callable[..., Any]


class FunctionKind(enum.Enum):
    """What calling a function gives."""

    CALL = enum.auto()
    AWAIT = enum.auto()
    STREAM = enum.auto()
    """A generator, asynchronous or not."""


def kind_of(function: Function) -> FunctionKind:
    """What calling a function, a method or a partial of one gives."""
    if inspect.iscoroutinefunction(function):
        return FunctionKind.AWAIT
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return FunctionKind.STREAM
    return FunctionKind.CALL


def signature_of(function: Function) -> inspect.Signature | None:
    """Its signature, if it has one."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def followed(function: Function, learned: Learned) -> Function:
    """A function like ``function`` whose calls are learned. No generator."""
    return (
        _awaited(function, learned)
        if kind_of(function) is FunctionKind.AWAIT
        else _called(function, learned)
    )


def _called(function: Function, learned: Learned) -> Function:
    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        call = learned.open(sys._getframe(), args, kwargs)
        if call is None:
            return function(*args, **kwargs)
        try:
            with within(call.where), entered(call.scope):
                call.start()
                result = function(*args, **kwargs)
        except BaseException as error:
            _ended(learned, call, error)
            raise
        _ended(learned, call)
        return result

    return called


def _awaited(function: Function, learned: Learned) -> Function:
    @functools.wraps(function)
    async def called(*args: Any, **kwargs: Any) -> Any:
        call = learned.open(sys._getframe(), args, kwargs)
        if call is None:
            return await function(*args, **kwargs)
        try:
            with within(call.where), entered(call.scope):
                call.start()
                result = await function(*args, **kwargs)
        except BaseException as error:
            _ended(learned, call, error)
            raise
        _ended(learned, call)
        return result

    return called


def _ended(learned: Learned, call: LiveCall, error: BaseException | None = None) -> None:
    learned.ended(call, call.close(error))

"""Entries whose calls are learned: functions as they are, and what methods of objects are made of.

A call may go on after its entry has returned, as long as a stream is read or a run has no result:
:class:`Following` is what is left of it then.
"""

from __future__ import annotations

import enum
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MethodType
from typing import Any

from ayo_bridge.learn.live.call import LiveCall
from ayo_bridge.learn.live.learned import Learned
from ayo_bridge.learn.tracing.places import within
from ayo_bridge.lift.entry import Kind
from ayo_bridge.lift.functions import called_of
from ayo_bridge.seam import entered

Function = Callable[..., Any]


class FunctionKind(enum.Enum):
    """What calling a function gives."""

    CALL = enum.auto()
    AWAIT = enum.auto()
    STREAM = enum.auto()
    """A generator, asynchronous or not."""


def kind_of(function: Function) -> FunctionKind:
    """What calling a function, a method, a partial of one or an object gives."""
    function = called_of(function)
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


class Following:
    """One learned call, until it ends."""

    __slots__ = ("_ended", "_learned", "call")

    def __init__(self, learned: Learned, call: LiveCall) -> None:
        self.call = call
        self._learned = learned
        self._ended = False

    def begin(self) -> None:
        """Have run ahead what is known of it by now; where that is interrupted, it is over."""
        try:
            with within(self.call.where), entered(self.call.scope):
                self.call.start()
        except BaseException as error:
            self.failed(error)
            self.end()
            raise

    def failed(self, error: BaseException) -> None:
        """It has raised, or its reader has left it; it is to be ended, too."""
        record = self.call.scope.record
        if isinstance(error, GeneratorExit):
            record.abandoned = True
        else:
            record.error = repr(error)
            self.call.raised(error)

    def end(self) -> None:
        """It is over. Idempotent."""
        if not self._ended:
            self._ended = True
            self._learned.ended(self.call, self.call.close())

    def leave(self) -> None:
        """Nobody has seen its end, if it has not ended."""
        if not self._ended:
            self.call.scope.record.abandoned = True
            self.end()


Returned = Callable[[Any, Following], Any]
"""What a call returns to its caller; ends the call, or lets a stream or a run keep it open."""


def whole(result: Any, following: Following) -> Any:
    """The result of a call that ends by returning."""
    following.end()
    return result


def run(
    function: Function,
    learned: Learned,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    returned: Returned = whole,
    own: Iterable[object] = (),
) -> Any:
    """Call a function, following what it asks of engines.

    ``own`` are the clients and stores that it uses whatever it is given.
    """
    call = learned.open(sys._getframe(), args, kwargs)
    if call is None:
        return function(*args, **kwargs)
    call.uses(own)
    verification = call.scope.verification
    if verification is not None:
        learned.compares(call, function, Kind.CALL, args, kwargs)
    following = Following(learned, call)
    try:
        with within(call.where), entered(call.scope):
            call.start()
            result = function(*args, **kwargs)
    except BaseException as error:
        following.failed(error)
        following.end()
        raise
    if verification is not None:
        verification.answered(result)
    return returned(result, following)


async def run_async(
    function: Function,
    learned: Learned,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    returned: Returned = whole,
    own: Iterable[object] = (),
) -> Any:
    """Like :func:`run`, for a function whose result is awaited."""
    call = learned.open(sys._getframe(), args, kwargs)
    if call is None:
        return await function(*args, **kwargs)
    call.uses(own)
    verification = call.scope.verification
    if verification is not None:
        learned.compares(call, function, Kind.AWAIT, args, kwargs)
    following = Following(learned, call)
    try:
        with within(call.where), entered(call.scope):
            call.start()
            result = await function(*args, **kwargs)
    except BaseException as error:
        following.failed(error)
        following.end()
        raise
    if verification is not None:
        verification.answered(result)
    return returned(result, following)


Call = tuple[Sequence[Any], Mapping[str, Any]]
"""The arguments of one call."""
Own = Callable[[Function, Sequence[Any], Mapping[str, Any]], Iterable[object]]
"""The clients and stores that a call uses for certain."""


def followed(
    function: Function, learned: Learned, own: Own = lambda function, args, kwargs: ()
) -> Function:
    """A function like ``function`` whose calls are learned. No generator.

    A bound method is bound to the same object, a partial has the same arguments.
    """
    if isinstance(function, functools.partial):
        inner, given, named = function.func, function.args, function.keywords
        called = _called(function, inner, learned, own, given, named)
        return functools.partial(called, *given, **named)
    if isinstance(function, MethodType):
        inner, me = function.__func__, function.__self__
        return MethodType(_called(function, inner, learned, own, (me,), {}), me)
    return _called(function, function, learned, own, (), {})


def _called(
    function: Function,
    inner: Function,
    learned: Learned,
    own: Own,
    given: Sequence[Any],
    named: Mapping[str, Any],
) -> Function:
    """What takes the place of ``inner``, which ``function`` gives these arguments first.

    Learned are the calls of ``function``, by the arguments that its caller gives.
    """

    def said(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call | None:
        """The caller's part; ``None``: ``inner`` is called by somebody else."""
        firsts = args[: len(given)]
        if len(firsts) < len(given) or any(a is not b for a, b in zip(firsts, given, strict=True)):
            return None
        if not named:
            return args[len(given) :], kwargs
        if not named.keys() <= kwargs.keys():
            return None
        return args[len(given) :], {
            name: value
            for name, value in kwargs.items()
            if name not in named or value is not named[name]
        }

    if kind_of(function) is FunctionKind.AWAIT:

        @functools.wraps(inner)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            call = said(args, kwargs)
            if call is None:
                return await inner(*args, **kwargs)
            return await run_async(function, learned, *call, own=own(function, *call))

        return awaited

    @functools.wraps(inner)
    def called(*args: Any, **kwargs: Any) -> Any:
        call = said(args, kwargs)
        if call is None:
            return inner(*args, **kwargs)
        return run(function, learned, *call, own=own(function, *call))

    return called

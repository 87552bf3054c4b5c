"""Entry points of accelerated objects: open a scope, run the original, close the scope.

The original is looked up when it is called, so that a class which is patched later is followed.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Hashable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from functools import cached_property, partial, wraps
from typing import Any, Protocol

from ayo_bridge.lift.entry import Base, Entry, Kind
from ayo_bridge.lift.kept import kept, unchanged
from ayo_bridge.lift.lifted import Asked, Lifted
from ayo_bridge.lift.shows import Shows
from ayo_bridge.lift.subclass import Owner, plain
from ayo_bridge.runahead import AcceleratedState, Maker, Scope, begin, current_scope, open_scope
from ayo_bridge.runahead.streams import scoped_async_stream, scoped_stream
from ayo_bridge.schedule import ComponentOp
from ayo_bridge.seam import entered

Method = Callable[..., Any]


class Lifter(Protocol):
    """What a framework knows of the calls of its objects."""

    def asked(self, entry: Entry, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Asked | None:
        """What a call asks for; ``None`` leaves it to the original, which raises its own error."""

    def lift(self, obj: Any, state: AcceleratedState, asked: Asked) -> Lifted:
        """Lift ``obj`` for calls of this shape. Reads it, calls nothing of it."""

    @property
    def shows(self) -> Shows:
        """What is known of its objects that are run once more to be verified."""

    def returned(self, result: Any, scope: Scope) -> Any:
        """What a call returns to its caller; closes the scope, or lets a stream keep it open."""


def entry_methods(owner: Owner, entries: Sequence[Entry], lifter: Lifter) -> dict[str, Method]:
    """The entry points of an accelerated object, run under scopes."""
    make = {
        Kind.CALL: _called,
        Kind.AWAIT: _awaited,
        Kind.STREAM: _streamed,
        Kind.ASTREAM: _astreamed,
    }
    return {entry.name: make[entry.kind](owner, entry, lifter) for entry in entries}


# Scopes.


def _opened(
    owner: Owner,
    lifter: Lifter,
    obj: Any,
    entry: Entry,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Scope | None:
    """The scope of one call, with its run-ahead started; ``None`` where the original goes alone.

    An object that the scope around it describes needs none of its own; any other opens one inside
    of that. Whatever goes wrong in opening it leaves the original call as it is.
    """
    outer = current_scope()
    if outer is not None and outer.covers(obj):
        return None
    state = owner.state(obj)
    if state is None or state.rest.lets_through():
        return None
    try:
        asked = lifter.asked(entry, args, kwargs)
        if asked is None:
            return None
        scope = _open(lifter, obj, state, entry, asked, outer)
        if scope.verification is not None:
            shape = _shape(state, asked)
            compared = partial(_compared, scope, lifter.shows, obj, entry, args, kwargs)
            begin(scope, lambda: compared(unchanged(obj, state, shape)))
        return scope
    except Exception as error:
        state.switch_off(f"a call could not be planned: {error!r}")
        return None


def _compared(
    scope: Scope,
    shows: Shows,
    obj: Any,
    entry: Entry,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    stands: Callable[[], bool],
) -> None:
    """Have a call that was drawn be run once more as the original, if that does no harm."""
    from ayo_bridge.lift.twice import Second, compare, only_asks

    assert scope.verification is not None, "only a call that was drawn is compared"
    original, known = plain(obj), only_asks(scope.plan.template)
    call = getattr(original, entry.name)
    watched = None if not known else stands
    compare(scope.verification, shows, Second(call, entry.kind, args, kwargs, (original,), watched))


def _open(
    lifter: Lifter,
    obj: Any,
    state: AcceleratedState,
    entry: Entry,
    asked: Asked,
    outer: Scope | None,
) -> Scope:
    shape = _shape(state, asked)
    guided = not state.switched_off
    while True:
        lifted, doubtful = kept(obj, state, shape, lambda: lifter.lift(obj, state, asked))
        makers = _Makers(lifted, asked) if guided and asked.predictable else {}
        plan = state.runtime.planner.plan(lifted.template, makers)
        if not plan.ahead or doubtful is None or not doubtful():
            break
    scope = open_scope(state, entry.name, plan, doubtful, outer=outer, covers=lifted.covers)

    def started() -> None:
        if guided:
            scope.guide = lifted.guide(scope, asked)
        for note in lifted.template.notes:
            if note not in state.template.notes:  # It was not so when the object was accelerated.
                scope.note(note)
        scope.start(asked.values)

    return begin(scope, started)


def _shape(state: AcceleratedState, asked: Asked) -> Hashable:
    """What a template depends on."""
    return asked.shape, tuple(state.expected.items())


class _Makers(Mapping[ComponentOp, Maker]):
    """The makers of one call, made once something is to run ahead."""

    def __init__(self, lifted: Lifted, asked: Asked) -> None:
        self._lifted = lifted
        self._asked = asked

    @cached_property
    def _made(self) -> dict[ComponentOp, Maker]:
        return {key: make(self._asked) for key, make in self._lifted.makers.items()}

    def __getitem__(self, key: ComponentOp) -> Maker:
        return self._made[key]

    def __iter__(self) -> Iterator[ComponentOp]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


# Methods.


def _called(owner: Owner, entry: Entry, lifter: Lifter) -> Method:
    name = entry.name

    @wraps(owner.like(name))
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        original = owner.original(self, name)
        scope = _opened(owner, lifter, self, entry, args, kwargs)
        if scope is None:
            return original(*args, **kwargs)
        try:
            with entered(scope):
                result = original(*args, **kwargs)
        except BaseException as error:
            _failed(scope, error)
            raise
        if scope.verification is not None:
            scope.verification.answered(result)
        return lifter.returned(result, scope)

    return method


def _awaited(owner: Owner, entry: Entry, lifter: Lifter) -> Method:
    name = entry.name

    @wraps(owner.like(name))
    async def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        original = owner.original(self, name)
        scope = _opened(owner, lifter, self, entry, args, kwargs)
        if scope is None:
            return await original(*args, **kwargs)
        try:
            with entered(scope):
                result = await original(*args, **kwargs)
        except BaseException as error:
            _failed(scope, error)
            raise
        if scope.verification is not None:
            scope.verification.answered(result)
        return lifter.returned(result, scope)

    return method


def _streamed(owner: Owner, entry: Entry, lifter: Lifter) -> Method:
    name = entry.name

    @wraps(owner.like(name))
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
        # What the original raises at the call, it raises at the call. A generator function does
        # nothing before its first step, and so the scope opens there.
        stream = owner.original(self, name)(*args, **kwargs)
        return _steps(stream, lambda: _opened(owner, lifter, self, entry, args, kwargs))

    return method


def _steps(stream: Iterator[Any], opened: Callable[[], Scope | None]) -> Generator[Any, Any, Any]:
    scope = opened()
    if scope is None:
        yield from stream
    else:
        yield from scoped_stream(_generator(stream), scope)


def _astreamed(owner: Owner, entry: Entry, lifter: Lifter) -> Method:
    name = entry.name

    @wraps(owner.like(name))
    def method(self: Any, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        stream = owner.original(self, name)(*args, **kwargs)
        return _async_steps(stream, lambda: _opened(owner, lifter, self, entry, args, kwargs))

    return method


async def _async_steps(
    stream: AsyncIterator[Any], opened: Callable[[], Scope | None]
) -> AsyncGenerator[Any, Any]:
    steps = _async_generator(stream)
    scope = opened()
    if scope is not None:
        steps = scoped_async_stream(steps, scope)
    async with aclosing(steps):
        async for item in steps:
            yield item


def _failed(scope: Scope, error: BaseException) -> None:
    scope.record.error = repr(error)
    scope.close()


def _generator(stream: Iterator[Any]) -> Generator[Any, Any, Any]:
    return stream if isinstance(stream, Generator) else (item for item in stream)


def _async_generator(stream: AsyncIterator[Any]) -> AsyncGenerator[Any, Any]:
    return stream if isinstance(stream, AsyncGenerator) else (item async for item in stream)


__all__ = ["Base", "Entry", "Kind", "Lifter", "Method", "entry_methods"]

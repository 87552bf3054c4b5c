"""Objects of frameworks whose calls are learned, entry by entry.

Entries of one object may call each other: what is called inside of a followed call belongs to that.
The original is looked up when it is called, so that a class which is patched later is followed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

from ayo_bridge.learn.live.entry import (
    FunctionKind,
    Returned,
    kind_of,
    run,
    run_async,
    signature_of,
    whole,
)
from ayo_bridge.learn.live.kept import kept_of_methods
from ayo_bridge.learn.live.learned import Learned
from ayo_bridge.learn.live.streams import followed_async_stream, followed_stream
from ayo_bridge.learn.live.words import learning
from ayo_bridge.lift.entries import Entry, Kind
from ayo_bridge.lift.subclass import Methods, Owner
from ayo_bridge.runahead import AcceleratedState, Learning

Method = Callable[..., Any]
Given = Callable[[Sequence[Any], Mapping[str, Any]], bool]
"""Says something of the arguments of a call."""


def learned_methods(
    obj: object,
    state: AcceleratedState,
    entries: Sequence[Entry],
    returned: Returned = whole,
    alone: Given = lambda args, kwargs: False,
    own: Callable[[Any], Iterable[object]] = lambda obj: (),
) -> Methods:
    """The methods of an accelerated copy of ``obj`` by which its entries are learned.

    Each entry is learned by itself: what a method and its asynchronous counterpart ask may differ.
    From then on ``state`` says what was learned.

    Args:
        returned: takes in what a call returns: streams and runs that are not over yet.
        alone: whether a call with these arguments is left to the original.
        own: the clients and stores that every call of an object uses, whatever it is given.
    """
    kept = kept_of_methods(obj, [entry.name for entry in entries], state.runtime)
    known = {
        entry: Learned(
            state, entry.name, signature_of(getattr(obj, entry.name)), kept.get(entry.name)
        )
        for entry in entries
    }
    state.learning = lambda: _words(known, state)
    return lambda owner: {
        entry.name: _METHODS[_kind(obj, entry)](
            _Followed(owner, entry.name, learned, returned, alone, own)
        )
        for entry, learned in known.items()
    }


def _kind(obj: object, entry: Entry) -> Kind:
    """How an entry is called; a class may have made it a coroutine function."""
    awaited = kind_of(getattr(obj, entry.name)) is FunctionKind.AWAIT
    return Kind.AWAIT if awaited else entry.kind


@dataclass(frozen=True, slots=True)
class _Followed:
    """An entry of what ``owner`` has."""

    owner: Owner
    name: str
    learned: Learned
    returned: Returned
    alone: Given
    own: Callable[[Any], Iterable[object]]

    def original(self, obj: Any) -> Method:
        """The method of the user's class."""
        return self.owner.original(obj, self.name)

    def named(self, method: Method) -> Method:
        """The method under the names that the original has."""
        return wraps(self.owner.like(self.name))(method)


def _called(entry: _Followed) -> Method:
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        original = entry.original(self)
        if entry.alone(args, kwargs):
            return original(*args, **kwargs)
        return run(original, entry.learned, args, kwargs, entry.returned, entry.own(self))

    return entry.named(method)


def _awaited(entry: _Followed) -> Method:
    async def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        original = entry.original(self)
        if entry.alone(args, kwargs):
            return await original(*args, **kwargs)
        return await run_async(
            original, entry.learned, args, kwargs, entry.returned, entry.own(self)
        )

    return entry.named(method)


# What the original raises at the call, it raises at the call. A generator function does nothing
# before its first step, and so the learned call begins there.


def _streamed(entry: _Followed) -> Method:
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
        original = entry.original(self)
        stream: Iterator[Any] = original(*args, **kwargs)
        if entry.alone(args, kwargs):
            return stream
        return followed_stream(stream, entry.learned, args, kwargs, original, entry.own(self))

    return entry.named(method)


def _astreamed(entry: _Followed) -> Method:
    def method(self: Any, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        original = entry.original(self)
        stream: AsyncIterator[Any] = original(*args, **kwargs)
        if entry.alone(args, kwargs):
            return stream
        return followed_async_stream(stream, entry.learned, args, kwargs, original, entry.own(self))

    return entry.named(method)


_METHODS: Final[Mapping[Kind, Callable[[_Followed], Method]]] = {
    Kind.CALL: _called,
    Kind.AWAIT: _awaited,
    Kind.STREAM: _streamed,
    Kind.ASTREAM: _astreamed,
}


def _words(known: Mapping[Entry, Learned], state: AcceleratedState) -> Learning:
    """What was learned of the entries that were used; of several each under its name."""
    used = {entry: learned for entry, learned in known.items() if learned.used}
    if not used and not state.template.components:  # None of its entries is lifted.
        return learning(next(iter(known.values())))
    if len(used) == 1:
        return learning(*used.values())
    return Learning.of_several({entry.name: learning(each) for entry, each in used.items()})

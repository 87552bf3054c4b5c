"""Which calls may run twice to be verified, and how the second run is made.

The second run is the original's own code, in a thread of the background, while the first has ended
and others may be going on. It is made of objects whose every part is known to do nothing but ask
engines and shape data; and of others where the first run was seen to change and to write nothing
(:mod:`.untouched`, :mod:`.effects`). It works on copies of the arguments, and of the state that an
object keeps from call to call. So nothing is written twice, and no tool is called twice.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.graph import (
    Component,
    Opaque,
    QueryExpansion,
    Reranking,
    Searching,
    Synthesis,
    Template,
)
from ayo_bridge.lift import effects
from ayo_bridge.lift.copies import own
from ayo_bridge.lift.entry import Kind
from ayo_bridge.lift.shows import ATOMS, Given, Shows
from ayo_bridge.lift.untouched import Untouched
from ayo_bridge.runahead.again import Again, Answer, Later, Verifies, joined

_ASKS: Final = (QueryExpansion, Reranking, Searching, Synthesis)


@dataclass(frozen=True, slots=True)
class Second:
    """What a second run would be of.

    Args:
        call: the original.
        kind: what calling it gives.
        roots: the objects that the call may change.
        unchanged: tells later whether these are as they were; ``None``: they are to be watched.
        apart: the state among them of which the second run has a copy.
    """

    call: Callable[..., Any]
    kind: Kind
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    roots: Sequence[object]
    unchanged: Callable[[], bool] | None = None
    apart: Sequence[object] = ()


def compare(verification: Verifies, shows: Shows, second: Second) -> None:
    """Have a call that begins be compared with the original, or say why it is not."""
    given = shows.verifiable() or shows.given(second.args, second.kwargs)
    if not isinstance(given, str) and not all(
        map(_is_plain, (*given.args, *given.kwargs.values()))
    ):
        given = "it is given more than plain data"
    if isinstance(given, str):
        verification.alone(given)
        return
    untouched: Callable[[], str] | None = None
    unchanged = second.unchanged
    if unchanged is None:
        effects.watch()
        watched = Untouched.since(second.roots, second.apart, shows)
        if isinstance(watched, str):
            verification.writes(watched)
            return
        untouched, unchanged = watched.changed, lambda: not watched.changed()
    given = Given(own(given.args), own(given.kwargs))
    run = Run(shows, second.call, second.kind, given)
    verification.by(Again(run, shows.shown, shows.item, untouched, unchanged))


def only_asks(template: Template) -> bool:
    """Whether every part of an object is known to do nothing but ask engines and shape data."""
    return all(map(_only_asks, template.components))


def _only_asks(component: Component) -> bool:
    return isinstance(component, _ASKS) or (isinstance(component, Opaque) and component.pure)


@dataclass(frozen=True, slots=True)
class Run:
    """Runs an object to its end, streams included; says what it answers and streams.

    ``hushed``: nobody who listens is told.
    """

    shows: Shows
    call: Callable[..., Any]
    kind: Kind
    given: Given
    hushed: bool = True
    waits: Callable[[Coroutine[Any, Any, Any]], Any] = asyncio.run
    """Runs what is awaited."""

    def __call__(self) -> Answer:
        """Run it on copies of its arguments."""
        if self.hushed:
            self.shows.hush()
        args, kwargs = own(self.given.args), own(self.given.kwargs)
        if self.kind in (Kind.AWAIT, Kind.ASTREAM):
            answer: Answer = self.waits(self._awaited(args, kwargs))
            return answer
        result = self.call(*args, **kwargs)
        if self.kind is Kind.STREAM:
            return None, self._drained(result)
        stream = self.shows.stream_of(result)
        items: tuple[object, ...] = ()
        if isinstance(stream, AsyncIterator):  # Its caller would have read it on a loop.
            items = self.waits(self._adrained(stream))
        elif stream is not None:
            items = self._drained(stream)
        return self._answer(result, items)

    async def _awaited(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer:
        if self.hushed:  # Tasks that are left as the run ends early are nobody's concern.
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        if self.kind is Kind.ASTREAM:
            return None, await self._adrained(self.call(*args, **kwargs))
        result = await self.call(*args, **kwargs)
        stream = self.shows.stream_of(result)
        items: tuple[object, ...] = ()
        if isinstance(stream, AsyncIterator):
            items = await self._adrained(stream)
        elif stream is not None:
            items = self._drained(stream)
        return self._answer(result, items)

    def _answer(self, result: Any, items: tuple[object, ...]) -> Answer:
        return answered(self.shows, result, items)

    def _drained(self, stream: Iterator[Any]) -> tuple[object, ...]:
        return joined([self.shows.item(item) for item in stream])

    async def _adrained(self, stream: AsyncIterator[Any]) -> tuple[object, ...]:
        return joined([self.shows.item(item) async for item in stream])


def answered(shows: Shows, result: Any, items: tuple[object, ...]) -> Answer:
    """What a result says, and what was streamed of it."""
    said = shows.shown(result)
    return (said.say(), ()) if isinstance(said, Later) else (said, items)


def _is_plain(value: object) -> bool:
    """Whether a copy of an argument is all that there is to it."""
    if isinstance(value, ATOMS):
        return True
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return all(_is_plain(getattr(value, each.name)) for each in dataclasses.fields(value))
    if hasattr(type(value), "model_fields"):  # A message, a document.
        return all(map(_is_plain, vars(value).values()))
    return False


__all__ = ["Run", "Second", "answered", "compare", "only_asks"]

"""One call of an object, timed: to its end, and to the first that it streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.bench.sessions import Session
from ayo_bridge.bench.threads import Threads
from ayo_bridge.lift.copies import own
from ayo_bridge.lift.entry import Kind
from ayo_bridge.lift.shows import Given, Shows
from ayo_bridge.lift.subclass import state_of
from ayo_bridge.lift.twice import answered
from ayo_bridge.runahead.again import Answer, joined
from ayo_bridge.verify.target import Loaded, begin_anew, converses

Clock = Callable[[], float]
_RAISED: Final = (Exception, SystemExit)
"""What a call raises that is no end of the bench: also where an application ends its process."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A call that was made.

    Args:
        session, turn: which question it was.
        seconds: from when it was made, or due, to the end of what it streams.
        first: seconds to the first that it streamed; ``None``: it streams nothing.
        answer: what it said; ``None`` where it raised.
        error: what it raised.
    """

    session: int
    turn: int
    seconds: float
    first: float | None
    answer: Answer | None
    error: str = ""


@dataclass(slots=True)
class _Stopwatch:
    """When a call began, said the first and ended."""

    now: Clock
    shows: Shows
    began: float
    first: float | None = None

    def heard(self, item: Any) -> Any:
        """A piece of a stream has come."""
        if self.first is None and _says(self.shows, item):
            self.first = self.now()
        return item


class Asker:
    """Asks sessions of objects of one kind, on the running loop or in threads."""

    def __init__(self, loaded: Loaded, threads: Threads) -> None:
        self._loaded = loaded
        self._shows: Shows = loaded.shows
        self._threads = threads

    def apart(self, obj: Any) -> Any | None:
        """An object for a session beside others; ``None``: it has one state that cannot be copied.

        Of an object that keeps no conversation, it is the object itself.
        """
        if not converses(obj):
            return obj
        found = self._shows.apart(obj)
        if found is None:
            return None
        copied, _ = found
        if state_of(obj) is not None:  # What was learned of the one holds for the other.
            object.__setattr__(copied, "__class__", type(obj))
        return copied

    async def ask(
        self, obj: Any, number: int, session: Session, due: float | None, told: list[Timed]
    ) -> None:
        """Ask the questions of a session one after the other, on a state of its own.

        What came of each is told at once; after one that raised, the session is over.
        """
        begin_anew(obj)
        call, kind = self._loaded.call(obj)
        for turn, question in enumerate(session):
            timed = await self._one(call, kind, self._loaded.given(question), due)
            seconds, first, answer, error = timed
            told.append(Timed(number, turn, seconds, first, answer, error))
            due = None
            if error:
                return

    def ask_here(self, obj: Any, number: int, session: Session, told: list[Timed]) -> None:
        """Ask a session in this thread, where no loop runs: an entry that blocks may run one."""
        begin_anew(obj)
        call, kind = self._loaded.call(obj)
        for turn, question in enumerate(session):
            watch = _Stopwatch(time.perf_counter, self._shows, time.perf_counter())
            given = self._loaded.given(question)
            args, kwargs = own(given.args), own(given.kwargs)
            answer: Answer | None = None
            said = ""
            try:
                watch.began = watch.now()
                result, items, ended = self._called(watch, call(*args, **kwargs), kind)
                answer = self._answer(result, items)
            except _RAISED as error:
                ended, said = watch.now(), f"{type(error).__name__}: {error}"
            told.append(Timed(number, turn, ended - watch.began, None, answer, said))

    async def _one(
        self, call: Callable[..., Any], kind: Kind, given: Given, due: float | None
    ) -> tuple[float, float | None, Answer | None, str]:
        loop = asyncio.get_running_loop()
        watch = _Stopwatch(loop.time, self._shows, loop.time())
        args, kwargs = own(given.args), own(given.kwargs)

        def blocking() -> Any:
            watch.began = loop.time()
            return self._called(watch, call(*args, **kwargs), kind)

        try:
            if kind in (Kind.CALL, Kind.STREAM):
                result, items, ended = await self._threads.run(blocking)
            else:
                watch.began = loop.time()
                result = call(*args, **kwargs)
                if kind is Kind.AWAIT:
                    result = await result
                result, items, ended = self._called(watch, result, kind)
            if isinstance(items, AsyncIterator):
                items = [watch.heard(item) async for item in items]
                ended = loop.time()
            answer = self._answer(result, items)
        except _RAISED as error:
            ended, answer, said = loop.time(), None, f"{type(error).__name__}: {error}"
        else:
            said = ""
        began = watch.began if due is None else min(due, watch.began)
        first = None if watch.first is None or said else watch.first - began
        return ended - began, first, answer, said

    def _called(self, watch: _Stopwatch, result: Any, kind: Kind) -> tuple[Any, Any, float]:
        """What was returned, what was streamed, and when that ended.

        A stream that is read on a loop is not read yet.
        """
        streams = kind in (Kind.STREAM, Kind.ASTREAM)
        stream = result if streams else self._goes_on(result)
        if isinstance(stream, AsyncIterator):
            return None if streams else result, stream, 0.0
        items: list[Any] = []
        if isinstance(stream, Iterator):
            items = [watch.heard(item) for item in stream]
        return None if streams else result, items, watch.now()

    def _goes_on(self, result: Any) -> Any:
        """What a result goes on to give while it is read.

        That may be a generator which a function has made, or the body of Starlette's response.
        """
        if (stream := self._shows.stream_of(result)) is not None:
            return stream
        return getattr(result, "body_iterator", result)

    def _answer(self, result: Any, items: list[Any]) -> Answer:
        said = joined([self._shows.item(item) for item in items])
        return (None, said) if result is None else answered(self._shows, result, said)


def _says(shows: Shows, item: Any) -> bool:
    """Whether a piece of a stream says something: a chunk of a message may be empty."""
    content = getattr(item, "content", None)
    return bool(content if isinstance(content, str | list) else shows.item(item))


__all__ = ["Asker", "Timed"]

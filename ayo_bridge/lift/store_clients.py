"""Clients of vector stores as engines, a row each: what they search ahead, what writes undo that.

The boundary is the method of the store's own client, below every framework that asks by it. Writes
through clients advance the clock of the place that they change, whoever makes them and by whatever
object: a result found before a write is not given out after it. As with any store, a write of
another process falls before or after a search.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Coroutine, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target, Wrapper, unfollowed
from ayo_bridge.engines.originals import original
from ayo_bridge.lift import stores
from ayo_bridge.lift.copies import own
from ayo_bridge.lift.frozen import frozen
from ayo_bridge.lift.recognise import PLAIN, class_of
from ayo_bridge.lift.store_writes import Writes
from ayo_bridge.lift.witness import saw
from ayo_bridge.lift.writes import BeingWrittenError, clock_of, known_clock
from ayo_bridge.seam import Call, EngineHome

AT_ONCE: Final = min(32, (os.cpu_count() or 1) + 4)
"""As many searches as the threads in which an application would make them
(``ThreadPoolExecutor``'s default)."""


@dataclass(frozen=True, slots=True)
class Methods:
    """Methods of a class, ``awaited`` or not."""

    module: str
    owner: str
    names: tuple[str, ...]
    awaited: bool = False


def _nothing(_: Any) -> Hashable:
    return None


def _never(_: Any) -> bool:
    return False


def _ready(_: Any) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreClient:
    """The clients of one kind of vector store.

    Args:
        library: for people.
        distribution: what it comes in.
        tested: its versions, half open.
        searched: methods that search, and leave nothing behind.
        written: methods that write to the client's ``place``.
        elsewhere: methods that write to some place, which is not known.
        classes: names of the classes by whose objects searches are made ahead.
        place: what a client's writes change, through whatever object it is reached. Raises
            ValueError or AttributeError where that cannot be said.
        readable: the client's name for people.
        at_once: how many searches may go ahead at once, of all queries.
        state: what else decides what is found.
        unready: why a client is not asked ahead as it is, or ``None``.
        in_process: whether the data are in this process, so that asking twice costs nothing.
        alone: whether a search and a write must not overlap.
        copied: copies a result.
        differs: why a method of a client may not be the library's own, or ``None``.
        learnable: how searches by a method are learned; ``None``: they are not.
    """

    library: str
    distribution: str
    tested: tuple[str, str]
    searched: tuple[Methods, ...]
    written: tuple[Methods, ...]
    elsewhere: tuple[Methods, ...] = ()
    classes: tuple[str, ...]
    place: Callable[[Any], Hashable]
    readable: Callable[[Any], str]
    at_once: int = AT_ONCE
    state: Callable[[Any], Hashable] = _nothing
    unready: Callable[[Any], str | None] = _ready
    in_process: Callable[[Any], bool] = _never
    alone: Callable[[Any], bool] = _never
    copied: Callable[[Any], Any] = own
    differs: Callable[..., str | None] = PLAIN.overridden
    learnable: Callable[[StoreClient, str], stores.Learnable] | None = None

    # For the lifters.

    def engine(self, client: Any, runtime: EngineHome) -> str:
        """The name of a client's engine; registered once."""
        return stores.engine_for(client, runtime, self.readable, self.at_once)

    def refusal(self, client: Any, binding: Binding) -> str | None:
        """Why nothing is searched ahead by a client, or ``None``."""
        reason = self.unknown(client)
        if reason is not None:
            return reason
        used = [each for methods in self.searched for each in methods.names]
        there = [each for each in used if hasattr(type(client), each)]
        return self.differs(client, *there) or self.unready(client) or unfollowed([binding])

    def unknown(self, client: Any) -> str | None:
        """Why a client is none of these, or ``None``."""
        cls = class_of(saw(client))
        root = self.searched[0].module.partition(".")[0]
        if cls.__name__ in self.classes and cls.__module__.partition(".")[0] == root:
            return None
        return f"{cls.__name__} is not searched ahead"

    def call(
        self,
        engine: str,
        client: Any,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> Call:
        """The search that ``client.method(*args, **kwargs)`` makes, with the very same key.

        ``loop`` is the one on which an awaited method runs, in a thread of its own.

        Raises:
            ValueError: the search has parts without identity, or a write is going on.
        """
        bound = arguments_of(client, method, args, kwargs)
        asked = own(bound.args[1:]), own(bound.kwargs)
        search = ClientSearch(self, client, method, *asked, loop)
        return Call(engine, self._key(method, engine, client, bound), search)

    def key(
        self,
        method: str,
        engine: str,
        client: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        moment: Hashable = None,
    ) -> Hashable:
        """The identity of a search; ``moment`` is the present one unless given.

        Raises:
            ValueError, TypeError or AttributeError: it has none.
        """
        bound = arguments_of(client, method, args, kwargs)
        return self._key(method, engine, client, bound, moment)

    def _key(
        self,
        method: str,
        engine: str,
        client: Any,
        bound: inspect.BoundArguments,
        moment: Hashable = None,
    ) -> Hashable:
        asked = frozen(bound.args[1:]), frozen(bound.kwargs)
        return engine, method, moment or self.moment(client), asked

    def moment(self, client: Any) -> Hashable:
        """When a client's place was last written to, as far as this process can tell."""
        own_clock = clock_of((self.library, self.place(client)))
        return own_clock.moment(), clock_of(self.library).moment(), self.state(client)

    def reading(self, client: Any) -> AbstractContextManager[None]:
        """Within it nobody writes, where that matters."""
        if not self.alone(client):
            return nullcontext()
        return clock_of((self.library, self.place(client))).reading()

    # The binding.

    def binding(self) -> Binding:
        """What finds the searches and writes of the original."""
        writes = Writes(self.engine, self._written_by, lambda args, kwargs: None, str)
        anywhere = Writes(self.engine, lambda _: self.library, lambda args, kwargs: None, str)
        return Binding(
            f"{self.library}: searches and writes",
            self.distribution,
            self.tested,
            (
                *(
                    Target(each.module, f"{each.owner}.{name}", self._searching(each, name))
                    for each in self.searched
                    for name in each.names
                ),
                *_writing(self.written, writes),
                *_writing(self.elsewhere, anywhere),
            ),
        )

    def _searching(self, methods: Methods, method: str) -> Wrapper:
        search = stores.async_search if methods.awaited else stores.search
        learnable = self.learnable(self, method) if self.learnable is not None else None
        return search(self.engine, partial(self.key, method), self.copied, learnable)

    def _written_by(self, client: Any) -> Hashable:
        try:
            place = self.library, self.place(client)
        except (AttributeError, TypeError, ValueError):
            return self.library
        return place if known_clock(place) is not None else None


@dataclass(frozen=True, slots=True)
class ClientSearch:
    """A search made ahead: the client's own method on arguments that nobody else holds."""

    clients: StoreClient
    client: Any
    method: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    loop: asyncio.AbstractEventLoop | None = None

    def run(self) -> object:
        """Search, below our wrapper.

        Raises:
            BeingWrittenError: a write is going on that a search must not overlap.
        """
        search = original(type(self.client), self.method)
        with self.clients.reading(self.client):
            result = search(self.client, *self.args, **self.kwargs)
            if self.loop is None:
                return result
            awaited: Coroutine[Any, Any, object] = result
            return asyncio.run_coroutine_threadsafe(awaited, self.loop).result()

    def identity(self, key: Hashable) -> Hashable:
        """The key of this very search, at the moment that ``key`` says."""
        match key:
            case (str(engine), _, moment, _):
                asked = self.args, self.kwargs
                return self.clients.key(self.method, engine, self.client, *asked, moment)
        return None

    def anew(self, key: Hashable) -> object | None:
        """What is found in a store of this process now, if nothing was written since."""
        match key:
            case (_, _, moment, _) if self.clients.in_process(self.client):
                try:
                    return self.run() if moment == self.clients.moment(self.client) else None
                except BeingWrittenError:
                    return None
        return None

    def found(self, result: object) -> object:
        """All that was found, as plain data."""
        return repr(result)


def arguments_of(
    client: Any, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    """The arguments of a call as the method has them, those that are not given too.

    Raises:
        TypeError: the method does not take them.
    """
    bound = _signature(original(type(client), method)).bind(client, *args, **kwargs)
    bound.apply_defaults()
    return bound


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def _writing(written: Sequence[Methods], writes: Writes) -> Iterator[Target]:
    for methods in written:
        wrapper = writes.async_write if methods.awaited else writes.write
        for name in methods.names:
            yield Target(methods.module, f"{methods.owner}.{name}", wrapper)

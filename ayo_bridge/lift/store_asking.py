"""What a framework's vector store would ask its client: its own code says it.

The store's method runs on a copy whose client stands in for the real one: that notes the first
request and ends the call there. So no request is put together a second time, and what a version or
a setting of the store changes is in it.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from ayo_bridge.bindings.binding import Binding
from ayo_bridge.lift.recognise import class_of
from ayo_bridge.lift.store_clients import StoreClient
from ayo_bridge.lift.witness import saw
from ayo_bridge.seam import Call, EngineHome


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownStore:
    """A framework's class of vector stores.

    Args:
        module: where it is.
        name: what it is called.
        clients: what it asks by.
        binding: what finds that.
        within: the attribute that holds the store which does the work; empty: itself.
        client: the attribute that holds the client; empty: the store is what is asked.
        embedding: the attribute that holds the embedding model; empty: it has none.
        search: its method that searches.
        methods: those that decide what is asked.
        awaits: whether it calls the embedding model's awaited method, when it is not awaited itself
            and when it is.
        unready: why a store is not searched ahead as it is, or ``None``.
        loop: the loop in a thread of its own on which a store's awaited methods run.
        not_awaited: why an awaited search is not made ahead; empty: it is.
    """

    module: str
    name: str
    clients: StoreClient
    binding: Binding
    within: str = ""
    client: str = ""
    embedding: str = ""
    search: str
    methods: tuple[str, ...]
    awaits: tuple[bool, bool] = (False, False)
    unready: Callable[[Any], str | None] = lambda _: None
    loop: Callable[[Any], asyncio.AbstractEventLoop | None] = lambda _: None
    not_awaited: str = ""

    def client_of(self, store: Any) -> Any:
        """The client that a store asks by."""
        working = getattr(store, self.within) if self.within else store
        return getattr(saw(working), self.client) if self.client else working

    def unknown(self, store: Any) -> str | None:
        """Why nobody knows what a store asks, or ``None``."""
        return self.clients.unknown(self.client_of(store))

    def engine(self, store: Any, runtime: EngineHome) -> str:
        """The name of a store's engine, if it is known what it asks."""
        return self.clients.engine(self.client_of(store), runtime)

    def refusal(self, store: Any, differs: Callable[..., str | None]) -> str | None:
        """Why a store of this class is not searched ahead, or ``None``.

        ``differs`` says why methods of the framework may not be its own.
        """
        working = getattr(store, self.within) if self.within else store
        reason = differs(working, type(working), *self.methods) or self.unready(store)
        return reason or self.clients.refusal(self.client_of(store), self.binding)

    def call(
        self,
        engine: str,
        store: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        vector: Sequence[float] | None = None,
    ) -> Call:
        """The call that a store makes for a search with these arguments.

        ``vector`` is what its embedding model makes of the text.

        Raises:
            ValueError: it does something else first, or the search has parts without identity.
        """
        working = getattr(store, self.within) if self.within else store
        client = getattr(working, self.client) if self.client else working
        asked = _asked(
            self, working, lambda copied: getattr(copied, self.search)(*args, **kwargs), vector
        )
        return self.clients.call(
            engine, client, asked.method, asked.args, asked.kwargs, self.loop(store)
        )


def known_store(rows: Sequence[KnownStore], store: Any) -> KnownStore | None:
    """The row of a store's class."""
    cls = class_of(saw(store))
    for row in rows:
        if cls.__name__ == row.name and cls.__module__ == row.module:
            return row
    return None


class _Asked(NamedTuple):
    method: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


class _Noted(BaseException):
    """Ends a call at the client; no ``except Exception`` of a store holds it up."""

    def __init__(self, asked: _Asked) -> None:
        super().__init__()
        self.asked = asked


class _Client:
    """Stands in for a client: only searches can be asked of it."""

    def __init__(self, methods: frozenset[str]) -> None:
        self._methods = methods

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name not in self._methods:
            raise ValueError(f"the store asks its client for {name} before it searches")
        return _noting(name)


class _Embedding:
    """Stands in for an embedding model whose result is known."""

    def __init__(self, vector: Sequence[float]) -> None:
        self._vector = vector

    def embed_query(self, text: str) -> list[float]:
        return list(self._vector)

    async def aembed_query(self, text: str) -> list[float]:
        return list(self._vector)

    __call__ = embed_query


def _noting(name: str) -> Callable[..., NoReturn]:
    def note(*args: Any, **kwargs: Any) -> NoReturn:
        raise _Noted(_Asked(name, args, kwargs))

    return note


def _asked(
    row: KnownStore,
    store: Any,
    ask: Callable[[Any], Any],
    vector: Sequence[float] | None,
) -> _Asked:
    searches = frozenset(name for methods in row.clients.searched for name in methods.names)
    stand_in = copy.copy(store)
    if row.client:
        setattr(stand_in, row.client, _Client(searches))
    else:
        for name in searches:
            setattr(stand_in, name, _noting(name))
    if vector is not None and row.embedding:
        setattr(stand_in, row.embedding, _Embedding(vector))
    try:
        begun = ask(stand_in)
        if asyncio.iscoroutine(begun):
            try:
                begun.send(None)
            finally:
                begun.close()
    except _Noted as noted:
        return noted.asked
    except Exception as error:
        raise ValueError(f"what the store asks cannot be told: {error}") from error
    raise ValueError("the store finds something without its client")

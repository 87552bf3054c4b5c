"""Vector stores of frameworks as engines: what they search ahead, and what the original takes.

The boundary is the store's own methods. A search of the original takes the result made ahead, or
runs as it would have, in the thread that called it: stores share no work between searches, so there
is nothing to fuse.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from ayo_bridge.bindings.binding import Wrapper
from ayo_bridge.bindings.following import followed, followed_async
from ayo_bridge.bindings.interception import take, take_async, watch, watch_async
from ayo_bridge.engines.live_names import LiveNames
from ayo_bridge.seam import (
    Answer,
    BatchEngine,
    BoundaryCall,
    Call,
    EngineHome,
    EngineKind,
    Fields,
    FoundItem,
    Limits,
    Scope,
    Unkeyed,
    current_scope,
)

names: Final = LiveNames()
"""Names of vector stores, which are their engines' names."""


@runtime_checkable
class StoreRequest(Protocol):
    """The payload of a call to a store, on arguments that nobody else holds."""

    def run(self) -> object:
        """Search, or write."""


class StoreEngine(BatchEngine):
    """A vector store; one call is one search, or one staged write. Never fuses."""

    kind = EngineKind.VECTOR_STORE

    def __init__(self, name: str, instances: int) -> None:
        self.name = name
        self.limits = Limits(instances=instances)

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        """Run searches and writes one after another.

        Raises:
            TypeError: a payload is no :class:`StoreRequest`.
        """
        return [self._run(call.payload) for call in calls]

    @staticmethod
    def _run(payload: object) -> object:
        if not isinstance(payload, StoreRequest):
            raise TypeError(f"not a request to a vector store: {type(payload).__name__}")
        return payload.run()


def engine_for(
    store: Any, runtime: EngineHome, readable: Callable[[Any], str], instances: int
) -> str:
    """The name of a store's engine, e.g. ``vector_store:public.data_docs``; registered once."""
    name = names.find(store)
    if name is None or not runtime.knows(name):
        name = names.name(store, readable(store))
        runtime.register(StoreEngine(name, instances))
    return name


def texts_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Metadata as requests would hold it."""
    return {
        str(name): str(value)
        for name, value in metadata.items()
        if isinstance(value, str | int | float)
    }


def unidentified(engine: str) -> Call:
    """A call of the original's own whose key equals no other."""
    return Call(engine, Unkeyed(engine), None)


Engines = Callable[[Any, EngineHome], str]
"""The engine of a store."""
Key = Callable[[str, Any, tuple[Any, ...], dict[str, Any]], Hashable]
"""The identity of a search by its engine, the store and the arguments.

Raises ValueError, TypeError or AttributeError where it has none.
"""
Own = Callable[[Any], Any]


Asked = Callable[[Any, tuple[Any, ...], dict[str, Any]], Fields]
"""A search of a store as plain data.

Raises ValueError, TypeError or AttributeError where that is not all.
"""


@dataclass(frozen=True, slots=True)
class Learnable:
    """How searches of a store are learned.

    Args:
        asked: what is asked, the vector as ``vector``.
        call: the call that a search of this engine and store makes. Raises ValueError.
        found: what a result of a store holds.
        otherwise: what any other search asks: it is followed, so that what it finds is a value, but
            never made ahead, since its filters may be a tenant's.
    """

    asked: Asked
    call: Callable[[str, Any, Fields], Call]
    found: Callable[[Any, Any], tuple[FoundItem, ...]]
    otherwise: Asked

    def boundary_call(
        self, engine: str, store: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> BoundaryCall | None:
        """A search as it is followed; ``None``: it is not."""
        plain = True
        try:
            held = weakref.ref(store)  # Who keeps how it is asked shall not keep the store.
            try:
                asked = self.asked(store, args, kwargs)
            except ValueError:
                plain, asked = False, self.otherwise(store, args, kwargs)
        except (AttributeError, TypeError, ValueError):
            return None
        fields = {"engine": engine, **asked}
        return BoundaryCall(
            kind="search",
            owner=store,
            request=lambda: fields,
            answer=lambda result: Answer(items=self.found(held(), result)),
            remake=(lambda store, fields: self.call(engine, store, fields)) if plain else None,
            engine=engine,
        )


def search(engines: Engines, key: Key, own: Own, learnable: Learnable | None = None) -> Wrapper:
    """The wrapper of a store's search; ``own`` copies results."""
    plain = _searching(engines, key, own, watch, take)
    return plain if learnable is None else _followed(engines, plain, learnable)


def _followed(
    engines: Engines,
    plain: Wrapper,
    learnable: Learnable,
    following: Callable[..., Any] = followed,
) -> Wrapper:
    def wrapper(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        scope = current_scope()
        follower = None if scope is None else scope.follower
        if scope is None or follower is None:
            return plain(wrapped, instance, args, kwargs)
        call = learnable.boundary_call(engines(instance, scope.runtime), instance, args, kwargs)
        if call is None:
            return plain(wrapped, instance, args, kwargs)
        return following(follower, call, lambda: plain(wrapped, instance, args, kwargs))

    return wrapper


def async_search(
    engines: Engines, key: Key, own: Own, learnable: Learnable | None = None
) -> Wrapper:
    """Like :func:`search`, for one that is awaited."""
    plain = _searching(engines, key, own, watch_async, take_async)
    return plain if learnable is None else _followed(engines, plain, learnable, followed_async)


def _searching(
    engines: Engines, key: Key, own: Own, watching: Callable[..., Any], taking: Callable[..., Any]
) -> Wrapper:
    def wrapper(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        scope = current_scope()
        if scope is None:
            return wrapped(*args, **kwargs)
        engine = engines(instance, scope.runtime)
        if scope.quiet:
            return watching(scope, engine, StoreEngine.kind, lambda: wrapped(*args, **kwargs))
        call = _asked(engine, key, instance, args, kwargs)
        return taking(scope, call, StoreEngine.kind, lambda: wrapped(*args, **kwargs), own)

    return wrapper


def _asked(
    engine: str, key: Key, store: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Call:
    try:
        return Call(engine, key(engine, store, args, kwargs), None)
    except (AttributeError, TypeError, ValueError):  # Whatever is wrong, the original will say.
        return unidentified(engine)


__all__ = [
    "Learnable",
    "Scope",
    "StoreEngine",
    "StoreRequest",
    "async_search",
    "engine_for",
    "names",
    "search",
    "texts_of",
]

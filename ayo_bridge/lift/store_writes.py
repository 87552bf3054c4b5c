"""Writes to vector stores: seen by the clocks of their stores, or committed if they were staged.

An ``add`` of the original commits the equal write that was staged, or runs as it would have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ayo_bridge.bindings.interception import observe, observe_async
from ayo_bridge.lift.copies import own
from ayo_bridge.lift.staging import Staged
from ayo_bridge.lift.stores import Engines, StoreEngine, unidentified
from ayo_bridge.lift.writes import WriteClock, clock_of, known_clock
from ayo_bridge.seam import Call, Scope, current_scope

Wrapped = Callable[..., Any]
Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Writes:
    """The wrappers of a store's methods that write.

    Args:
        engines: the engine of a store.
        identity: what a write changes (a table, an object in memory); ``None``: nobody has asked
            for it, and so nothing depends on it.
        added: the items that an ``add`` stores; ``None`` where it has other arguments.
        item_id: the id of an item, which ``add`` returns.
    """

    engines: Engines
    identity: Callable[[Any], Hashable]
    added: Callable[[tuple[Any, ...], Mapping[str, Any]], Sequence[Any] | None]
    item_id: Callable[[Any], str]

    def call(self, engine: str, items: Sequence[Any], staged: object = None) -> Call:
        """The call of an ``add`` of these items."""
        key = (engine, "add", tuple(map(self.item_id, items)))
        return Call(engine, key, staged, items=max(1, len(items)))

    def write(
        self, wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: Arguments
    ) -> Any:
        """Wraps a method that writes."""
        clock = self._clock(instance)
        _tell(instance)
        if clock is None:
            return wrapped(*args, **kwargs)
        with clock.writing():
            return wrapped(*args, **kwargs)

    async def async_write(
        self, wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: Arguments
    ) -> Any:
        """Wraps a coroutine method that writes."""
        clock = self._clock(instance)
        _tell(instance)
        if clock is None:
            return await wrapped(*args, **kwargs)
        with clock.writing():
            return await wrapped(*args, **kwargs)

    def add(self, wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: Arguments) -> Any:
        """Wraps the method that adds items and returns their ids."""
        scope = current_scope()
        if scope is None:
            return self.write(wrapped, instance, args, kwargs)
        _tell(instance)
        call, items = self._addition(scope, instance, args, kwargs)
        ticket = scope.claim(call.key) if items is not None else None
        hit = ticket.wait() if ticket is not None else scope.handed(call.key)
        with clock_of(self.identity(instance)).writing():
            if items is not None and hit is not None and _commit(hit.value, items):
                return list(map(self.item_id, items))
            return observe(scope, call, StoreEngine.kind, lambda: wrapped(*args, **kwargs), own)

    async def async_add(
        self, wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: Arguments
    ) -> Any:
        """Wraps the coroutine method that adds items and returns their ids."""
        scope = current_scope()
        if scope is None:
            return await self.async_write(wrapped, instance, args, kwargs)
        _tell(instance)
        call, items = self._addition(scope, instance, args, kwargs)
        ticket = scope.claim(call.key) if items is not None else None
        hit = await ticket.wait_async() if ticket is not None else scope.handed(call.key)
        with clock_of(self.identity(instance)).writing():
            staged = None if items is None or hit is None else hit.value
            # A commit waits for the disk; the loop must not.
            if items and staged and await asyncio.to_thread(_commit, staged, items):
                return list(map(self.item_id, items))
            return await observe_async(
                scope, call, StoreEngine.kind, lambda: wrapped(*args, **kwargs), own
            )

    def _addition(
        self, scope: Scope, store: Any, args: tuple[Any, ...], kwargs: Arguments
    ) -> tuple[Call, Sequence[Any] | None]:
        engine = self.engines(store, scope.runtime)
        items = self.added(args, kwargs)
        return (unidentified(engine), None) if items is None else (self.call(engine, items), items)

    def _clock(self, store: Any) -> WriteClock | None:
        identity = self.identity(store)
        return None if identity is None else known_clock(identity)


def _tell(store: Any) -> None:
    """A write is no question: the call that makes it is not made twice."""
    scope = current_scope()
    if scope is not None:
        scope.touches(f"a {type(store).__name__} is written to")


def _commit(staged: object, items: Sequence[Any]) -> bool:
    """Commit a staged write if it is exactly this one; otherwise nothing is left of it."""
    if not isinstance(staged, Staged):
        return False
    if staged.equals(items) and staged.commit():
        return True
    staged.rollback()
    return False

"""The scope of the call that is running, as engines and bindings see it.

The context variable lives here, below everything that asks for it; what a scope does is
:class:`ayo_bridge.runahead.Scope`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from ayo_bridge.seam.call import Call, EngineCall, EngineKind, Foreseen
from ayo_bridge.seam.dialect import Dialect
from ayo_bridge.seam.engine import Engine
from ayo_bridge.seam.following import Follower
from ayo_bridge.seam.routing import Routes


class Learner(Protocol):
    """Who learns what engines cost."""

    def due(self, engine: str) -> bool:
        """Whether observing a call to ``engine`` now would teach anything."""

    def observe(self, call: EngineCall) -> None:
        """Learn from a call that has ended."""


class Hit:
    """A result that was computed ahead."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class Ticket(Protocol):
    """A result on its way, for one consumer."""

    record: EngineCall

    def wait(self, seconds: float | None = None) -> Hit | None:
        """Block until the result is there; ``None`` if it failed: then make the call yourself.

        Raises:
            TimeoutError: it is not there in time. Nobody waits for it any more.
        """

    async def wait_async(self, seconds: float | None = None) -> Hit | None:
        """Like :meth:`wait`; cancelling the waiter does not cancel the result."""


class Observation(Protocol):
    """A call that the original makes itself: timed, and seen by the graph."""

    record: EngineCall

    @property
    def wanted(self) -> bool:
        """Whether somebody may ask for the result."""

    def done(self, result: object = None) -> None:
        """The call has returned."""

    def failed(self, error: BaseException) -> None:
        """The call has raised."""


class Query(NamedTuple):
    """Whose calls they are: of one call of an accelerated object, with all that it calls."""

    kind: Hashable
    number: int


class Load(Protocol):
    """What is on its way at a server, as far as engines and bindings ask for it."""

    @property
    def disturbed(self) -> bool:
        """Whether what happens to the original now may come of work ahead."""

    @property
    def went_ahead(self) -> int:
        """How many calls that went ahead are on their way."""

    def begins(self, query: Query) -> None:
        """A call of the original's own begins."""

    def ends(self, query: Query, *, collected: bool = False) -> None:
        """It has ended; ``collected``: as the garbage collector sees."""

    def refused(self, caller: Hashable = None) -> None:
        """A call was refused while work ahead was there: no more of it for some time.

        ``caller``: for whom it was made, if others' may be taken.
        """

    def taken(self, caller: Callable[[], Hashable]) -> None:
        """A call was taken; ``caller`` says for whom it was made."""

    def completion(self) -> Future[None] | None:
        """Resolved when the next call ahead has ended; ``None`` if none is on its way."""

    def probing(self, caller: Hashable = None) -> AbstractAsyncContextManager[None]:
        """A probe: work ahead, for which nobody else may be asking the server anything."""


class EngineHome(Protocol):
    """The runtime, as far as engines and bindings ask for it."""

    @property
    def strict(self) -> bool:
        """Whether nothing is fused."""

    @property
    def priority(self) -> bool:
        """Whether the servers are said to take priorities."""

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        """The user's own: how further engines are asked over HTTP."""

    @property
    def profiles(self) -> Learner:
        """Who learns what engines cost."""

    def load(self, server: str) -> Load:
        """What is on its way at ``host:port``."""

    def routes(self, engine: str) -> Routes | None:
        """The replicas of a registered engine; ``None``: none are declared."""

    def knows(self, engine: str) -> bool:
        """Whether an engine of this name is registered."""

    def engine(self, name: str) -> Engine | None:
        """The engine of this name, if one is registered."""

    def register(self, engine: Engine) -> object:
        """Give an engine its scheduler; the engine of a name is registered once."""

    def best_batch(self, engine: str, model: str) -> Callable[[], int | None]:
        """Tells b* of an engine as it is known at that moment: measured of its model, or seen."""

    def measure_in_background(
        self, engine: str, model: str, run: Callable[[int], float | None]
    ) -> None:
        """Measure a registered engine once it is idle, and keep its profile under ``model``."""


class Scope(Protocol):
    """One accelerated call, as far as bindings ask for it."""

    @property
    def closed(self) -> bool:
        """Whether it has ended."""

    @property
    def quiet(self) -> bool:
        """Whether nothing runs ahead so far."""

    @property
    def runtime(self) -> EngineHome:
        """Where it runs."""

    @property
    def follower(self) -> Follower | None:
        """Who is told of the calls at boundaries; most often nobody."""

    @property
    def lead(self) -> float:
        """Seconds that work ahead has won so far."""

    def asks(self, server: str) -> Query:
        """Note that ``host:port`` is asked; returns by whom."""

    def claim(self, key: Hashable) -> Ticket | None:
        """Take the ticket for the next occurrence of a request; ``None``: make the call."""

    def stumbled(self, server: str) -> None:
        """A call of the original's own to ``host:port`` has failed: nothing more goes ahead there.

        What has been sent is cancelled.
        """

    def touches(self, what: str) -> None:
        """The original does what is no question to an engine: it writes, or asks somebody else."""

    def note(self, reason: str) -> None:
        """Remember for ``explain`` why something was not done."""

    def helps(self, what: str) -> None:
        """Something was done that no engine's record shows: such calls are worth being seen."""

    def direct(
        self, engine: str, kind: EngineKind, key: Hashable = None, *, items: int = 1
    ) -> Observation:
        """Note that the original makes a call itself."""

    def foreseen(self, record: EngineCall) -> Foreseen | None:
        """What the graph says of a call of the original's own; ``None``: it is not in there."""

    def scheduled(self, call: Call, record: EngineCall, original: Callable[[], Any]) -> Any:
        """Have the engine's scheduler serve a call of the original's own, and wait for it."""

    def handed(self, key: Hashable) -> Hit | None:
        """Take glue computed ahead, once."""

    def on_close(self, callback: Callable[[], object]) -> None:
        """Have ``callback`` called once when the scope ends."""


_current: ContextVar[Scope | None] = ContextVar("ayo_bridge_scope", default=None)


def current_scope() -> Scope | None:
    """The open scope this code runs under, or ``None``: then every binding is a pass-through."""
    scope = _current.get()
    return scope if scope is not None and not scope.closed else None


def _leave() -> None:
    """In a child that was forked inside of a call: its results come to the parent alone."""
    _current.set(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)


class entered:
    """Run a block under ``scope``. Never held across a ``yield`` to foreign code."""

    __slots__ = ("_scope", "_token")

    def __init__(self, scope: Scope | None) -> None:
        self._scope = scope

    def __enter__(self) -> None:
        self._token = _current.set(self._scope)

    def __exit__(self, *_: object) -> None:
        # A coroutine that nobody awaits to its end is closed where the collector runs: there it has
        # set nothing.
        with suppress(ValueError):
            _current.reset(self._token)

"""The seam between the schedulers and the engines: one narrow class each, so all is testable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ayo_bridge.seam.call import Call, EngineKind
from ayo_bridge.seam.routing import Routes


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an engine takes at once.

    ``instances`` batches run side by side. ``max_items`` bounds one batch (b*, or the token
    budget of an LLM); ``None`` is unbounded. With ``continuous`` the engine batches by itself
    (vLLM): every admitted call is its own batch and ``max_items`` bounds their sum.

    An engine behind a connection idles for a round trip between two batches. With ``prefetch`` it
    is handed so many batches an instance while it is busy, which it has to keep in their order;
    only full ones of a backlog of several, since what has been handed over cannot be overtaken.

    Raises:
        ValueError: nothing could ever run.
    """

    instances: int = 1
    max_items: int | None = None
    continuous: bool = False
    prefetch: int = 0

    def __post_init__(self) -> None:
        """Refuse limits that would let calls wait for ever."""
        for name, value, least in (
            ("instances", self.instances, 1),
            ("max_items", self.max_items, 1),
            ("prefetch", self.prefetch, 0),
        ):
            if value is not None and value < least:
                raise ValueError(f"{name} of an engine must be at least {least}, not {value}")


class Engine(ABC):
    """What every engine has. Subclass :class:`BatchEngine` or :class:`AsyncEngine`.

    All but the first three have a default, which says that the engine does not have it.

    Attributes:
        name: how calls, graphs and profiles refer to it; unique in a runtime.
        kind: what it serves.
        limits: how much it takes at once.
        streams: whether some plain reply of an LLM was proven to be rebuilt from a stream.
        caches_prefixes: whether an LLM is known to keep prefixes in a cache.
        server: ``host:port`` of what serves it and perhaps others; empty for one in this process.
        asked_as: the name of what it asks there, where its own is another.
        routes: the replicas to which its requests go; ``None``: there are none but itself.
        elsewhere: whether its batches run in another process now, and not in callers' threads.
    """

    name: str
    kind: EngineKind
    limits: Limits
    streams: bool = False
    caches_prefixes: bool = False
    server: str = ""
    asked_as: str = ""
    routes: Routes | None = None
    elsewhere: bool = False

    def to_request(self, call: Call) -> object:
        """The payload, or the whole call, that this engine takes for a handler's request.

        For native workflows; the default takes requests as they are.
        """
        return call

    def to_value(self, call: Call, result: Any) -> object:
        """What handlers expect, made of the result of a call of :meth:`to_request`."""
        return result

    async def release(self, query: int) -> None:  # noqa: B027
        """A query of this number, which has written to the engine, has ended."""

    async def aclose(self) -> None:  # noqa: B027
        """Close connections and end what still runs. Idempotent."""

    def after_fork(self) -> None:  # noqa: B027
        """Forget what a forked child shares with its parent, without closing it."""


class BatchEngine(Engine):
    """An engine that runs a batch to completion in a thread."""

    @abstractmethod
    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        """Run calls of one group and return a result for each, in order.

        An exception fails the batch; the scheduler then runs its calls one by one, so that each
        gets the outcome it would have had alone.
        """


class AsyncEngine(Engine):
    """An engine that serves many calls at once on the runtime's loop.

    Cancelling the task that awaits :meth:`serve` aborts the call in the engine.
    """

    @abstractmethod
    async def serve(self, call: Call) -> object:
        """Serve one call and return its result."""

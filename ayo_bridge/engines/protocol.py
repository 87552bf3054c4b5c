"""The seam between the schedulers and the engines: one narrow protocol, so all is testable."""

from __future__ import annotations

import enum
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeGuard, runtime_checkable


class EngineKind(enum.StrEnum):
    """What an engine serves; one cost model and one timeline colour a kind."""

    LLM = "llm"
    EMBEDDING = "embedding"
    RERANKER = "reranker"
    VECTOR_STORE = "vector_store"
    SEARCH_API = "search_api"


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


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one engine, exactly as the original program makes it.

    ``key`` is the identity of the request: two calls with equal keys have interchangeable
    results. ``payload`` is what the engine needs to run it. Calls with an equal ``group`` may
    share a batch; ``None`` never shares. ``items`` counts against :attr:`Limits.max_items`.
    ``deterministic`` results may serve every equal call; others are consumed once.
    """

    engine: str
    key: Hashable
    payload: object
    items: int = 1
    group: Hashable | None = None
    deterministic: bool = False
    warm: bool = False
    """A declared prefix warm: no call of the original ever asks for its result."""


@runtime_checkable
class BatchEngine(Protocol):
    """An engine that runs a batch to completion in a thread."""

    name: str
    kind: EngineKind
    limits: Limits

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        """Run calls of one group and return a result for each, in order.

        An exception fails the batch; the scheduler then runs its calls one by one, so that each
        gets the outcome it would have had alone.
        """


@runtime_checkable
class AsyncEngine(Protocol):
    """An engine that serves many calls at once on the runtime's loop.

    Cancelling the task that awaits :meth:`serve` aborts the call in the engine.
    """

    name: str
    kind: EngineKind
    limits: Limits

    async def serve(self, call: Call) -> object:
        """Serve one call and return its result."""


def runs_batches(engine: Engine) -> TypeGuard[BatchEngine]:
    """Whether an engine is a :class:`BatchEngine`; in a hundredth of the time of ``isinstance``."""
    return hasattr(engine, "run")


Engine = BatchEngine | AsyncEngine

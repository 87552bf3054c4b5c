"""A call in the lower tier's hands, and the seam to where engines run."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Protocol

from ayo_bridge.schedule.waiting import Waiting
from ayo_bridge.seam import Call, Engine, EngineCall, Outcome

Done = Callable[[Sequence["object | BaseException"]], None]
"""Called once with a result or an exception for each call of a batch, in order."""
Abort = Callable[[], None]
Abortable = Callable[[Abort], object]
"""Called with what aborts a batch, before it starts: an interrupt may come at any moment."""


class Placement(Protocol):
    """Where an engine runs: the runtime's loop, a thread, a process, a Ray actor."""

    def start(
        self, engine: Engine, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        """Start a batch and return at once; before it starts, hand out what aborts it."""


class Elsewhere(ABC):
    """A placement in another process, where one scheduler serves many: it has to know more."""

    @abstractmethod
    def start(
        self, engine: Engine, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        """As of every placement."""

    @abstractmethod
    def start_requests(
        self,
        engine: Engine,
        requests: Sequence[Request],
        now: float,
        done: Done,
        abortable: Abortable,
    ) -> None:
        """Start a batch whose calls have such places in their queries. ``now``: of the clock."""


class Home(Protocol):
    """A runtime, as far as an engine that runs elsewhere asks for it."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop."""

    def placement(self, engine: Engine) -> Placement:
        """Where an engine runs in this process."""


class Placed(ABC):
    """An engine that says itself where it runs."""

    @abstractmethod
    def placed(self, home: Home) -> Placement:
        """Where. ``home`` is not to be kept alive."""


class Owner(Protocol):
    """Who has the request: an engine scheduler."""

    engine: Engine

    def cancel(self, request: Request) -> None:
        """Drop a queued request, or abort a running one."""

    def run_queued(self, request: Request) -> None:
        """Run a request in the calling thread, if it still waits and shares no batch."""


@dataclass(slots=True)
class Request:
    """A call in an engine scheduler's hands. ``future`` gets the result."""

    call: Call
    waiting: Waiting
    scheduler: Owner
    known: EngineCall | None = None
    """The record that somebody keeps of the call."""
    started: float | None = None
    ended: float | None = None
    batch: int = 1
    """Number of calls in the batch it ran in."""
    future: Future[object] = field(default_factory=Future)
    aborted: bool = False
    abort: Callable[[], None] | None = None
    """Aborts the batch it runs in."""
    shares_with: Sequence[Request] = ()
    """The requests of that batch, itself among them."""
    on_done: Callable[[Request], None] | None = None

    @property
    def record(self) -> EngineCall:
        """What became of the call: as it is kept, or as it is now.

        Made when it is asked for: one more object for each call is a tenth of a scheduler's time.
        """
        if self.known is not None:
            return self.known
        call, waiting = self.call, self.waiting
        record = EngineCall(
            waiting.node, call.engine, self.scheduler.engine.kind, call.key, Outcome.DIRECT, 0.0
        )
        record.queued, record.started, record.ended = waiting.arrival, self.started, self.ended
        record.items, record.batch = call.items, self.batch
        return record

    def begin(self, now: float, batch: int) -> None:
        """It runs, in a batch of so many calls."""
        self.started, self.batch = now, batch
        if self.known is not None:
            self.known.started, self.known.batch = now, batch

    def cancel(self) -> None:
        """Drop it, or abort it in its engine: see its scheduler."""
        self.scheduler.cancel(self)

    def finish(self, result: object | BaseException, now: float) -> None:
        """Report, then resolve the future, unless it was cancelled."""
        self.ended = now
        if self.known is not None:
            self.known.ended = now
        self.shares_with, self.abort = (), None
        if self.on_done is None:
            self._resolve(result)
            return
        try:
            self.on_done(self)
        finally:  # Whoever waits gets the result in any case.
            self._resolve(result)

    def _resolve(self, result: object | BaseException) -> None:
        try:
            if isinstance(result, CancelledError):
                self.future.cancel()
            elif isinstance(result, BaseException):
                self.future.set_exception(result)
            else:
                self.future.set_result(result)
        except InvalidStateError:
            return

"""Results on their way: what runs ahead for the original, and what the original does itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import AbstractContextManager, nullcontext, suppress

from ayo_bridge.seam import Call, EngineCall, Hit, Outcome, entered

Clock = Callable[[], float]
"""Seconds, as the runtime counts them."""


class Ticket:
    """A result on its way, for one consumer.

    ``hurry`` is called before a thread waits for it: what would queue is perhaps computed there.
    """

    def __init__(
        self,
        clock: Clock,
        future: Future[object],
        record: EngineCall,
        call: Call | None = None,
        hurry: Callable[[], object] | None = None,
    ) -> None:
        self._clock = clock
        self._future = future
        self._hurry = hurry
        self.record = record
        self.call = call
        """What was asked ahead."""
        self.waiting = False
        """Whether its consumer waits for it."""
        self._unwanted: Callable[[], object] | None = None

    def outlives(self, unwanted: Callable[[], object]) -> None:
        """The call of its consumer is over. ``unwanted`` is called once nobody waits any more.

        Frameworks let siblings of a call that has failed run on: these wait for their own
        time-out, as they would without us.
        """
        self._unwanted = unwanted
        if not self.waiting:
            unwanted()

    def _leaves(self) -> None:
        """Its consumer goes without the result."""
        self.waiting = False
        if self._unwanted is not None:
            self._unwanted()

    def wait(self, seconds: float | None = None) -> Hit | None:
        """Block until the result is there; ``None`` if it failed: then make the call yourself.

        Raises:
            TimeoutError: it is not there in time. Nobody waits for it any more.
        """
        start = self._clock()
        try:
            self.waiting = True
            if self._hurry is not None:
                with entered(None):  # A nested call to the same engine would wait for itself.
                    self._hurry()
            failure = self._future.exception(seconds)
        except BaseException as error:
            late = seconds is not None and self._late(error)
            cancelled = isinstance(error, CancelledError) and self._future.cancelled()
            self._leaves()
            if late or cancelled:
                self._dropped(error)
            if late:
                raise TimeoutError from None
            if not cancelled:  # The waiting was interrupted: by Ctrl-C, or by a handler of signals.
                raise
            return None
        return self._ended(failure, start)

    async def wait_async(self, seconds: float | None = None) -> Hit | None:
        """Like :meth:`wait`; cancelling the waiter does not cancel the result."""
        start = self._clock()
        self.waiting = True
        waiter = asyncio.wrap_future(self._future)
        waiter.add_done_callback(_heard)
        try:
            await asyncio.wait((waiter,), timeout=seconds)
        except BaseException:  # It is cancelled, an interrupt, or nobody runs it any more.
            self._leaves()
            raise
        if not waiter.done():
            error = TimeoutError()
            self._leaves()
            self._dropped(error)
            raise error
        return self._ended(CancelledError() if waiter.cancelled() else waiter.exception(), start)

    def _late(self, error: BaseException) -> bool:
        """Whether it was the waiting that ended, not the call; asked before the call is cancelled
        for want of somebody who waits."""
        return isinstance(error, TimeoutError) and not self._future.done()

    def _ended(self, failure: BaseException | None, start: float) -> Hit | None:
        """The call has ended.

        What it has failed with is never raised here: it would keep this frame, and this frame it.
        """
        if failure is not None:
            self._leaves()
            self._dropped(failure)
            return None
        self.record.waited += self._clock() - start
        self.record.outcome = Outcome.HIT
        return Hit(self._future.result())

    def _dropped(self, error: BaseException) -> None:
        self.record.outcome = Outcome.DROPPED
        self.record.error = repr(error)


class Observation:
    """A call the original makes itself: timed, and seen by the graph.

    Without a ``lock`` nobody but the original wants the result, and it is not kept.
    """

    __slots__ = ("_began", "_clock", "_future", "_lock", "_result", "record")

    def __init__(
        self, clock: Clock, lock: AbstractContextManager[object] | None, record: EngineCall
    ) -> None:
        self._clock = clock
        self._lock = lock
        self._began = clock() if record.started is None else record.started
        self._future: Future[object] | None = None
        self._result: Hit | BaseException | None = None
        self.record = record

    def begins(self, record: EngineCall) -> None:
        """The call that was expected begins."""
        self.record = record
        self._began = self._clock() if record.started is None else record.started

    @property
    def wanted(self) -> bool:
        """Whether somebody may ask for the result."""
        return self._lock is not None

    def done(self, result: object = None) -> None:
        """The call has returned."""
        self._end(Hit(result))

    def failed(self, error: BaseException) -> None:
        """The call has raised."""
        self.record.error = repr(error)
        self._end(error)

    def future(self) -> Future[object]:
        """The result for the graph; made only if the graph turns out to need it."""
        with self._lock or nullcontext():
            future = self._future = self._future or Future()
            result = self._result
        if result is not None:
            _resolve(future, result)
        return future

    def _end(self, result: Hit | BaseException) -> None:
        record, now = self.record, self._clock()
        if not record.fused or record.ended is None:  # Else its scheduler knows better.
            record.ended = now
        record.waited = now - self._began
        if self._lock is None:
            return
        with self._lock:
            self._result = result
            future = self._future
        if future is not None:
            _resolve(future, result)


def _resolve(future: Future[object], result: Hit | BaseException) -> None:
    with suppress(InvalidStateError):
        if isinstance(result, Hit):
            future.set_result(result.value)
        else:
            future.set_exception(result)


def _heard(waiter: asyncio.Future[object]) -> None:
    """Who waited may be gone: an error that nobody takes is none that asyncio should report."""
    if not waiter.cancelled():
        waiter.exception()


def resolve_like(future: Future[object], other: Future[object]) -> None:
    """Resolve a future as another one was, unless it has a result already."""
    if other.cancelled():
        future.cancel()
        return
    error = other.exception()
    _resolve(future, Hit(other.result()) if error is None else error)


def abandon(future: Future[object]) -> None:
    """Stop what still arrives for a result that nobody took: a stream that is being recorded."""
    if future.cancelled() or future.exception() is not None:
        return
    abandon = getattr(future.result(), "abandon", None)
    if abandon is not None:
        abandon()


def cancelled() -> Future[object]:
    """A future that is cancelled already."""
    future: Future[object] = Future()
    future.cancel()
    return future

"""The lower tier: one scheduler an engine, fusing the requests of many queries into batches.

Decisions are pure (:mod:`ayo_bridge.schedule.policies`); this class keeps the queue, hands batches
to a *placement* and routes results back. It never waits: a batch forms from what is queued at the
moment an instance is free.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import TypeVar

from ayo_bridge.schedule.policies import Policy, QueuePolicy, queue_of
from ayo_bridge.schedule.request import Abort, Elsewhere, Placement, Request
from ayo_bridge.schedule.waiting import Waiting
from ayo_bridge.seam import BatchEngine, Call, Engine, EngineCall

T = TypeVar("T")


class EngineScheduler:
    """Queue, policy and running batches of one engine. Thread-safe; never blocks.

    ``clock`` gives seconds; on a virtual clock the same object simulates. ``best_batch`` gives b*
    as far as it is known, for an engine whose limits leave the size of a batch open.
    """

    def __init__(
        self,
        engine: Engine,
        policy: Policy,
        placement: Placement,
        clock: Callable[[], float],
        best_batch: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.engine = engine
        self._queue = queue_of(policy)
        self._steps_back = isinstance(policy, QueuePolicy) and policy.steps_back
        self._placement = placement
        self._clock = clock
        self._best_batch = best_batch
        self._lock = threading.Lock()
        self._ids = itertools.count()
        self._requests: dict[int, Request] = {}
        self._running = 0
        self._running_items = 0
        self._beside = 0
        """Calls that callers run themselves, beside the instances."""
        self._waiting_items = 0
        self._held = 0
        self._idle_since = clock()
        self.batches = 0
        self.batched_calls = 0

    @property
    def depth(self) -> int:
        """Number of requests that wait."""
        return len(self._requests)

    @property
    def running(self) -> int:
        """Number of batches that run."""
        return self._running

    def submit(
        self,
        call: Call,
        *,
        query: Hashable,
        node: str,
        depth: int = 1,
        priority: int = 0,
        serves: int = 1,
        since: float | None = None,
        remaining: float = 0.0,
        left: float = 0.0,
        record: EngineCall | None = None,
        on_done: Callable[[Request], None] | None = None,
        on_queue: Callable[[Request], object] | None = None,
    ) -> Request:
        """Queue a call; its future resolves when the engine has served it.

        ``since`` is when its query was submitted (by default, now); ``serves``, ``remaining`` and
        ``left`` are as in :class:`Waiting`.
        ``record`` learns when the call runs and ends.
        ``on_done`` is called with the request once, when it has ended in whatever way; ``on_queue``
        before it may start, so that an interrupt at any moment finds it in its owner's hands.
        """
        now = self._clock()
        waiting = Waiting(
            next(self._ids),
            query,
            node,
            depth,
            now,
            call.items,
            call.group,
            priority,
            serves,
            now if since is None else since,
            remaining,
            max(left, remaining),
        )
        request = Request(call, waiting, self, record, on_done=on_done)
        if on_queue is not None:
            on_queue(request)
        with self._lock:
            self._requests[waiting.id] = request
            self._waiting_items += call.items
            self._queue.add(waiting)
        self._dispatch()
        return request

    def idle_seconds(self) -> float:
        """How long the engine has had nothing to do; 0 while it has."""
        with self._lock:
            if self._running or self._requests or self._beside:
                return 0.0
            return self._clock() - self._idle_since

    def run_if_idle(self, run: Callable[[], T]) -> tuple[bool, T | None]:
        """Run something else on the engine, if it is idle; whoever comes meanwhile waits for it."""
        with self._lock:
            if self._requests or self._running or self._beside:
                return False, None
            taken = self.engine.limits.instances
            self._running += taken
            since = self._idle_since
        try:
            return True, run()
        finally:
            with self._lock:
                self._running -= taken
                self._idle_since = since  # measuring is no use of the engine
            self._dispatch()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Start nothing inside the block, so that what is submitted together runs together.

        The scheduler is work-conserving: without this the first of several calls runs alone.
        """
        with self._lock:
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1
            self._dispatch()

    def run_here(
        self, call: Call, run: Callable[[], object], *, queue: bool = True
    ) -> tuple[bool, object]:
        """Run a call of the original's own in the calling thread, if it need not queue.

        That is so if an instance is idle and nothing is queued, of a call that may not ``queue``,
        and of one that shares no batch: there the original's threads would work side by side, and
        queueing could only make them slower. Such a call takes no instance, so that a stream of
        them holds up nothing that is queued. Returns ``(False, None)`` when the call has to queue.
        So does one that may, of an engine that runs elsewhere. An exception of ``run`` propagates.
        """
        if queue and self.engine.elsewhere:
            return False, None
        with self._lock:
            instance = 0
            if call.group is None or not queue:
                self._beside += 1
            elif self._requests or self._running >= self.engine.limits.instances:
                return False, None
            else:
                instance = 1
            self._running += instance
            self.batches += 1
            self.batched_calls += 1
        try:
            return True, run()
        finally:
            with self._lock:
                self._running -= instance
                self._beside -= 1 - instance
                self._idle_since = self._clock()
            self._dispatch()

    def run_queued(self, request: Request) -> None:
        """Run a request in the thread that needs its result, if it still waits and shares no batch.

        As in :meth:`run_here`, it takes no instance.
        """
        engine, call = self.engine, request.call
        if call.group is not None or not isinstance(engine, BatchEngine):
            return
        with self._lock:
            if not self._taken_back(request):
                return
        request.begin(self._clock(), 1)
        result: object = CancelledError()
        try:
            _, result = self.run_here(call, lambda: engine.run([call])[0])
        except Exception as error:
            result = error
        finally:
            request.finish(result, self._clock())

    def cancel(self, request: Request) -> None:
        """Drop a queued request, or abort a running one as far as its placement can.

        A batch is aborted once nobody wants any of it.
        """
        with self._lock:
            request.aborted = True
            queued = self._taken_back(request)
        if queued:
            request.finish(CancelledError(), self._clock())
        elif not request.future.done():
            self._abort_unwanted(request.shares_with, request.abort)

    def _taken_back(self, request: Request) -> bool:
        """Take a request out of the queue, if it still waits. The lock is held."""
        queued = self._requests.pop(request.waiting.id, None) is not None
        if queued:
            self._waiting_items -= request.call.items
            self._queue.discard(request.waiting)
        return queued

    @staticmethod
    def _abort_unwanted(batch: Sequence[Request], abort: Callable[[], None] | None) -> None:
        if abort is not None and all(request.aborted for request in batch):
            abort()

    def _dispatch(self) -> None:
        while self._requests:  # Whoever adds to it comes here after that.
            with self._lock:
                batch = self._next_batch()
            if not batch:
                return
            self._start(batch)

    def _next_batch(self) -> list[Request]:
        limits = self.engine.limits
        if not self._requests or self._held:
            return []
        slots = limits.max_items
        if limits.continuous:
            if slots is not None:
                slots -= self._running_items
                if slots <= 0 and self._running:
                    return []
        else:
            if slots is None:
                slots = self._best_batch()
            if self._running >= limits.instances + self._prefetched(slots):
                return []
            free = limits.instances - self._running
            if free > 1:  # Idle instances share what waits: they work side by side.
                share = -(-self._waiting_items // free)
                slots = share if slots is None else min(slots, share)
        busy = limits.continuous and self._running > 0
        least = 0
        if self._steps_back and busy:
            # A warm for n calls holds up every sequence of its instance once; n calls start sooner,
            # and n - 1 prefills of its prompt less hold up the others later. It pays while an
            # instance runs fewer than 2n - 1.
            least = (self._running // limits.instances + 1) // 2 + 1
        picked = self._queue.pick(slots, alone=not busy, least=least)
        if not picked:
            return []
        requests = [self._requests.pop(waiting.id) for waiting in picked]
        items = sum([waiting.items for waiting in picked])
        self._running += 1
        self._running_items += items
        self._waiting_items -= items
        self.batches += 1
        self.batched_calls += len(requests)
        return requests

    def _prefetched(self, slots: int | None) -> int:
        """How many batches may wait at the engine: none unless as much again waits here."""
        limits = self.engine.limits
        if not limits.prefetch or slots is None or self._waiting_items < 2 * slots:
            return 0
        return limits.prefetch * limits.instances

    def _start(self, requests: list[Request]) -> None:
        now = self._clock()
        size = len(requests)
        for request in requests:
            request.begin(now, size)

        def done(results: Sequence[object | BaseException]) -> None:
            self._finish(requests, results)

        def abortable(abort: Abort) -> None:
            for request in requests:
                request.shares_with, request.abort = requests, abort

        if isinstance(self._placement, Elsewhere):
            self._placement.start_requests(self.engine, requests, now, done, abortable)
        else:
            self._placement.start(self.engine, [r.call for r in requests], done, abortable)
        self._abort_unwanted(requests, requests[0].abort)

    def _finish(self, requests: list[Request], results: Sequence[object | BaseException]) -> None:
        now = self._clock()
        with self._lock:
            self._idle_since = now
            self._running -= 1
            self._running_items -= sum([request.call.items for request in requests])
        for request, result in zip(requests, results, strict=True):
            request.finish(result, now)
        self._dispatch()

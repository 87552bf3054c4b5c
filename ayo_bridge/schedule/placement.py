"""Where engines run: on the runtime's loop or in threads of their own."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, cast

from ayo_bridge.schedule.heap import give_back
from ayo_bridge.schedule.request import Abortable, Done, Placement
from ayo_bridge.seam import AsyncEngine, BatchEngine, Call, Engine


def run_batch(engine: BatchEngine, calls: Sequence[Call]) -> list[object | BaseException]:
    """Run a batch; if it fails as a whole, run its calls alone: each gets its own outcome."""
    try:
        return list(engine.run(calls))
    except Exception as error:
        if len(calls) == 1:
            return [error]
        return [result for call in calls for result in run_batch(engine, [call])]


IDLE_SECONDS: Final = 1.0
"""After so long without work threads end: what libraries keep for each of them (PyTorch: 6 to 9 MB)
is the application's again. A new thread costs 0.6 ms of a MiniLM call of 13 ms."""


class ThreadPlacement:
    """A few threads for one engine, started when they are needed. Thread-safe.

    With a ``loop``, which looks after them, they end when no batch has come for a while.
    """

    def __init__(
        self, name: str, threads: int, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self._name = f"ayo-bridge {name}"
        self._most = threads
        self._loop = loop
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._running = 0
        self._idle_since = 0.0
        self._closed = False

    def start(
        self, engine: Engine, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        """Run the batch in a thread; a batch that has started cannot be aborted."""
        queued: list[Future[None]] = []

        def run() -> None:
            try:
                done(run_batch(cast(BatchEngine, engine), calls))
                give_back()
            finally:
                self._ran()

        def abort() -> None:
            if queued and queued[0].cancel():
                self._ran()
                done([asyncio.CancelledError() for _ in calls])

        abortable(abort)
        with self._lock:
            first = self._pool is None
            pool = self._pool = self._pool or ThreadPoolExecutor(self._most, self._name)
            queued.append(pool.submit(run))
            self._running += 1
        if first and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.call_later, IDLE_SECONDS, self._rest)

    def _ran(self) -> None:
        with self._lock:
            self._running -= 1
            self._idle_since = time.monotonic()

    def _rest(self) -> None:
        """Let the threads end if they have been idle for long enough, else look again later."""
        assert self._loop is not None
        with self._lock:
            if self._closed:
                return
            idle = 0.0 if self._running else time.monotonic() - self._idle_since
            if idle >= IDLE_SECONDS:
                pool, self._pool = self._pool, None
                if pool is not None:
                    pool.submit(give_back, now=True)
                    pool.shutdown(wait=False)
                return
        self._loop.call_later(IDLE_SECONDS - idle, self._rest)

    def close(self) -> None:
        """Let running batches end and take no more."""
        with self._lock:
            self._closed = True
            pool = self._pool = self._pool or ThreadPoolExecutor(self._most, self._name)
        pool.shutdown(wait=False, cancel_futures=True)


class LoopPlacement:
    """The runtime's event loop, for engines that serve many calls at once.

    ``told`` hears of every start how late the loop came to it, and the processor time that its
    thread has used since the one before: both in seconds.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        told: Callable[[float, float], object] | None = None,
    ) -> None:
        self._loop = loop
        self._told = told
        self._used: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self, engine: Engine, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        """Serve each call in a task of its own; aborting cancels the tasks."""
        aborted = threading.Event()
        tasks: list[asyncio.Task[None]] = []

        async def serve() -> None:
            results = await asyncio.gather(
                *(cast(AsyncEngine, engine).serve(call) for call in calls),
                return_exceptions=True,
            )
            done(results)

        def spawn() -> None:
            self._tell(time.perf_counter() - asked)
            if aborted.is_set():
                done([asyncio.CancelledError() for _ in calls])
                return
            task = self._loop.create_task(self._guard(serve(), calls, done))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            tasks.append(task)

        def abort() -> None:
            aborted.set()
            self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])

        abortable(abort)
        asked = time.perf_counter()
        self._loop.call_soon_threadsafe(spawn)

    def _tell(self, lag: float) -> None:
        if self._told is None:
            return
        used = time.thread_time()
        since = used if self._used is None else self._used
        self._used = used
        self._told(lag, used - since)

    @staticmethod
    async def _guard(serving: object, calls: Sequence[Call], done: Done) -> None:
        try:
            await serving  # type: ignore[misc]
        except asyncio.CancelledError:
            done([asyncio.CancelledError() for _ in calls])


class FoundLater:
    """Finds an engine's placement when the first batch starts, so that nothing runs before.

    Args:
        find: a bound method, which is asked for it. Its object is not kept alive.
    """

    def __init__(self, find: Callable[[Engine], Placement]) -> None:
        self._find = weakref.WeakMethod(find)

    def start(
        self, engine: Engine, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        """Start a batch where it is found."""
        find = self._find()
        if find is None:
            raise RuntimeError("the runtime is gone")
        find(engine).start(engine, calls, done, abortable)

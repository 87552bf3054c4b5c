"""Where engines run: on the runtime's loop or in threads of their own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast

from ayo_bridge.schedule.engine_scheduler import Abortable, Done
from ayo_bridge.seam import AsyncEngine, BatchEngine, Call, Engine


def run_batch(engine: BatchEngine, calls: Sequence[Call]) -> list[object | BaseException]:
    """Run a batch; if it fails as a whole, run its calls alone: each gets its own outcome."""
    try:
        return list(engine.run(calls))
    except Exception as error:
        if len(calls) == 1:
            return [error]
        return [result for call in calls for result in run_batch(engine, [call])]


class ThreadPlacement:
    """A few threads for one engine, started when the first batch comes."""

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"ayo-bridge {name}")

    def start(
        self, engine: Engine, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        """Run the batch in a thread; a batch that has started cannot be aborted."""
        queued: list[Future[None]] = []

        def abort() -> None:
            if queued and queued[0].cancel():
                done([asyncio.CancelledError() for _ in calls])

        abortable(abort)
        queued.append(self._pool.submit(lambda: done(run_batch(cast(BatchEngine, engine), calls))))

    def close(self) -> None:
        """Let running batches end and take no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


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

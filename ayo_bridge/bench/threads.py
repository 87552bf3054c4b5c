"""Threads in which calls that block are made, as those of a web server are: kept, and reused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Job = Callable[[], None] | None


class Threads:
    """As many as there are calls at a time. They are daemons: a call that hangs holds nobody."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._all = 0
        self._idle = 0

    async def run(self, call: Callable[[], T]) -> T:
        """Have a call made, in a copy of the caller's context; one that is cancelled goes on."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        context = copy_context()

        def job() -> None:
            try:
                result = context.run(call)
            except BaseException as error:
                _tell(loop, future, future.set_exception, error)
            else:
                _tell(loop, future, future.set_result, result)

        if self._idle == 0:
            self._all += 1
            threading.Thread(target=self._work, name=f"bench {self._all}", daemon=True).start()
        else:
            self._idle -= 1
        self._jobs.put(job)
        try:
            return await future
        finally:
            if not future.cancelled():
                self._idle += 1

    def close(self) -> None:
        """Those that are idle end."""
        for _ in range(self._all):
            self._jobs.put(None)

    def _work(self) -> None:
        """Each has one loop for all of its calls, as the main thread of a script has.

        Without it LlamaIndex makes one for each run, and clients that were used on the last fail.
        """
        with asyncio.Runner() as runner:
            runner.get_loop()  # From now on it is this thread's.
            while (job := self._jobs.get()) is not None:
                job()


def _tell(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[Any],
    how: Callable[[Any], None],
    what: Any,
) -> None:
    def tell() -> None:
        if not future.done():
            how(what)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:  # The loop is closed: nobody waits any more.
        return


__all__ = ["Threads"]

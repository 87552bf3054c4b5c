"""The runtime's event loop: other people's finalizers start nothing on it.

The collector runs in whichever thread allocates, so also in the loop's, and there it finalizes
what other threads have dropped. A finalizer that closes an async client on the running loop
(``AsyncOpenAI``'s, openai 1.x to 3.51, in ``AsyncHttpxClientWrapper.__del__``) would find ours, and
unregister connections of the loop that the client belongs to, from the wrong thread.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Coroutine, Generator
from types import FrameType
from typing import Any

_FINALIZE = weakref.finalize.__call__.__code__


def new_own_loop() -> asyncio.AbstractEventLoop:
    """An event loop on which everything may create tasks but finalizers."""
    loop = asyncio.new_event_loop()
    loop.set_task_factory(_task)
    return loop


def _task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    **options: Any,
) -> asyncio.Task[Any]:
    """A task, as the loop makes it.

    Refused with ``RuntimeError``, as where no loop runs: finalizers know that, since the collector
    may call them in any thread. None of ours creates a task; they hand it over to a later round.
    """
    # What engines of the user's create, by whatever library, has no finalizer around it.
    if _is_finalizing(sys._getframe(1)):
        coroutine.close()
        raise RuntimeError("no finalizer runs on the event loop of ayo-bridge")
    return asyncio.Task(coroutine, loop=loop, **options)


def _is_finalizing(frame: FrameType | None) -> bool:
    """Whether a frame, or one that it returns to, is a finalizer's."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code is _FINALIZE:
            return True
        frame = frame.f_back
    return False


async def shut_down(closing: list[Coroutine[Any, Any, None]]) -> None:
    """Cancel all other tasks of the loop, and then have this done."""
    me = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not me]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*closing, return_exceptions=True)


def run_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop in this thread until it is stopped, and close it."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()

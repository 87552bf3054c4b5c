"""The original's own call, served by its engine's scheduler together with other queries' calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError

from ayo_bridge.schedule import EngineScheduler, Request
from ayo_bridge.seam import Call, EngineCall, entered


def served(
    scheduler: EngineScheduler,
    call: Call,
    record: EngineCall,
    original: Callable[[], object],
    *,
    query: Hashable,
    place: Callable[[EngineCall], int],
    since: float,
) -> object:
    """Run the call here if it need not queue, else have the scheduler serve it, and wait.

    On an event loop no call queues: the original's would block the loop for as long as it works,
    and others' work in front of it would block that longer.

    Blocks no longer than the engine works: what is waited for needs nothing of the calling thread,
    not even where that runs an event loop. ``place`` gives the depth of the call in its query's
    graph, whose number is ``query``; ``since`` is when that began. The record learns when the
    engine worked, as opposed to how long the original waited, once the call is noted as done.

    Raises:
        Exception: whatever the call raises.
    """
    with entered(None):  # A nested call to the same engine would wait for itself.
        on_loop = asyncio._get_running_loop() is not None
        here, result = scheduler.run_here(call, original, queue=not on_loop)
    if here:
        return result
    record.fused = True
    depth = place(record)
    request = scheduler.submit(
        call, query=query, node=record.primitive, depth=depth, since=since, record=record
    )
    with entered(None):
        return _wait(request, original)


def _wait(request: Request, original: Callable[[], object]) -> object:
    try:
        return request.future.result()
    except CancelledError:
        if not request.future.cancelled():
            raise
        return original()  # The runtime was closed meanwhile; the original needs its result.
    except BaseException:
        if not request.future.done():  # Not the call's own error: the waiting was interrupted.
            request.cancel()
        raise

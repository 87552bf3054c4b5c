"""Results on their way, and who waits for them."""

from __future__ import annotations

import asyncio
import gc
import time
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from ayo_bridge.runahead.tickets import Ticket
from ayo_bridge.seam import EngineCall, EngineKind, Outcome
from tests.signals import thrown_once


def record_of() -> EngineCall:
    return EngineCall("a", "llm", EngineKind.LLM, None, Outcome.DROPPED, 0.0)


@pytest.mark.parametrize("kind", [RuntimeError, TimeoutError, CancelledError, KeyboardInterrupt])
def test_what_a_handler_of_signals_throws_at_who_waits_is_raised(kind: type[BaseException]) -> None:
    ticket = Ticket(time.monotonic, Future(), record_of())
    thrown = kind("the time of this task is over")
    with thrown_once(lambda: ticket.waiting, thrown), pytest.raises(kind) as raised:
        ticket.wait()
    assert raised.value is thrown
    assert not ticket.waiting


@pytest.mark.parametrize("error", [ValueError("a"), CancelledError(), asyncio.CancelledError()])
def test_a_call_that_has_failed_is_left_to_who_waits(error: BaseException) -> None:
    future: Future[object] = Future()
    future.set_exception(error)
    ticket = Ticket(time.monotonic, future, record_of())
    assert ticket.wait() is None
    assert ticket.record.error == repr(error)


async def test_a_result_that_fails_after_its_waiter_was_cancelled_is_reported_by_nobody() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: reported.append(what))
    future: Future[object] = Future()
    record = record_of()
    waiting = asyncio.create_task(Ticket(time.monotonic, future, record).wait_async())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    future.set_exception(CancelledError())
    await asyncio.sleep(0.01)
    del future, waiting
    gc.collect()
    assert reported == []


@pytest.mark.parametrize("threaded", [True, False], ids=["wait", "wait_async"])
async def test_who_gives_up_last_is_told_so_though_the_call_is_cancelled_at_once(
    threaded: bool,
) -> None:
    """Else a client would send its request again instead of reporting that its time is over."""
    future: Future[object] = Future()
    ticket = Ticket(time.monotonic, future, record_of())
    ticket.waiting = True
    ticket.outlives(future.cancel)
    with pytest.raises(TimeoutError):
        _ = ticket.wait(0) if threaded else await ticket.wait_async(0)
    assert future.cancelled()

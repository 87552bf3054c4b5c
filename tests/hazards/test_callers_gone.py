"""Hundreds of callers that go away at random moments: nothing of them is left, nothing is switched
off."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from ayo_bridge import Runtime, accelerate, stats
from ayo_bridge.profile import ProfileStore
from ayo_bridge.runahead import Scope
from tests.differential.harness import EagerRuntime
from tests.differential.langchain_parts import chat, close_clients
from tests.faults.matrix.entries import fusion, multi_query, synthesis
from tests.hazards.conftest import tasks_of
from tests.llama_index_like import openai_like
from tests.stub_openai import StubOpenAI
from tests.wire.sending import lines

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(120),
]
CALLERS = 500
"""Of three apps together, at once as many of each as is its share. With ``AYO_ALL_CALLERS`` in the
environment a thousand come to each.
"""
AT_ONCE = 200
PATIENCE = 0.5
"""The most patient caller waits so many seconds: less than most calls take at this load."""


def _like(stub: StubOpenAI) -> Any:
    return openai_like(stub.base_url, max_tokens=32, timeout=30.0)


def _tree(stub: StubOpenAI) -> tuple[Any, Any]:
    model = _like(stub)
    return synthesis(model, "tree_summarize"), model


def _fusion(stub: StubOpenAI) -> tuple[Any, Any]:
    model = _like(stub)
    return fusion(model), model


def _chain(stub: StubOpenAI) -> tuple[Any, Any]:
    model = chat(stub.base_url, max_tokens=32, timeout=30.0)
    return multi_query(model), model


@pytest.fixture
def stub() -> Any:
    """One of the test's own: what others have left there would be taken for ours."""
    with StubOpenAI(latency=0.03) as made:
        made.text = lines
        yield made


@pytest.fixture
async def runtime(tmp_path: Any) -> AsyncIterator[Runtime]:
    made = EagerRuntime(measure=False, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


def _asker(obj: Any) -> Callable[[str], Any]:
    return obj.aquery if hasattr(obj, "aquery") else obj.ainvoke  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("build", "share", "ahead"),
    [(_tree, 0.4, False), (_fusion, 0.3, True), (_chain, 0.3, True)],
    ids=["tree", "fusion", "chain"],
)
async def test_nothing_is_left_of_them(
    build: Callable[[StubOpenAI], tuple[Any, Any]],
    share: float,
    ahead: bool,
    stub: StubOpenAI,
    runtime: Runtime,
) -> None:
    before = _scopes()
    obj, model = build(stub)
    try:
        callers = 1000 if os.environ.get("AYO_ALL_CALLERS") else round(CALLERS * share)
        await _check(obj, callers, stub, runtime, before, ahead=ahead)
    finally:
        await _close(model)


async def _check(
    obj: Any, callers: int, stub: StubOpenAI, runtime: Runtime, scopes: int, *, ahead: bool
) -> None:
    """``ahead``: whether anything can be; a tree asks side by side itself."""
    fast = accelerate(obj, runtime=runtime)
    ask = _asker(fast)
    expected = str(await _asker(obj)("as it is"))

    async def has_hits() -> bool:
        """What was seen of a busy client is forgotten after some calls."""
        hits = stats(fast).hits
        for _ in range(40 if ahead else 1):
            assert str(await ask("as it is")) == expected
            if stats(fast).hits > hits:
                return True
        return False

    assert await has_hits() == ahead
    gone = await _come_and_go(ask, callers)
    assert gone > 0.2 * callers, "nobody went away in the middle"
    await _until(lambda: stub.in_flight == 0, "the end of all requests")
    await _until(
        lambda: not any(each.in_flight or each.held for each in runtime.loads.values()),
        "the room being free again",
    )
    await _until(lambda: not tasks_of(runtime), "the end of all tasks on the runtime's loop")
    await _until(lambda: _scopes() <= scopes, "the end of all scopes")
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert stats(fast).switched_off == ""
    assert await has_hits() == ahead, "nothing runs ahead any more"


async def _come_and_go(ask: Callable[[str], Any], callers: int) -> int:
    """How many were cancelled while they waited."""
    rng = random.Random(1000)
    places = asyncio.Semaphore(min(AT_ONCE, AT_ONCE * callers // CALLERS))
    gone = 0

    async def caller(number: int, patience: float) -> None:
        nonlocal gone
        async with places:
            asking = asyncio.ensure_future(ask(f"question {number % 50}"))
            _, waiting = await asyncio.wait({asking}, timeout=patience)
            if waiting:
                gone += 1
                asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking

    await asyncio.gather(*(caller(n, PATIENCE * rng.random() ** 2) for n in range(callers)))
    return gone


async def _until(happened: Callable[[], bool], what: str) -> None:
    for _ in range(500):
        if happened():
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{what} did not happen")


def _scopes() -> int:
    gc.collect()
    return sum(isinstance(each, Scope) for each in gc.get_objects())


async def _close(model: Any) -> None:
    if hasattr(model, "_aclient") and model._aclient is not None:
        await model._aclient.close()
    await close_clients()

"""Queries that are cancelled, time out or are interrupted leave nothing behind."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from ayo_bridge import Runtime, accelerate, stats
from ayo_bridge.runahead import Scope
from ayo_bridge.schedule import Values
from tests.deadline import eventually
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.hazards.engines import generation, tree
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _fusion(env: Env) -> Any:
    return parts.engine(
        env,
        "compact",
        source=parts.fusion(env, "simple", retrievers=[parts.retriever(env, top_k=2)]),
    )


async def _settled(stub: StubOpenAI) -> None:
    for _ in range(500):
        if all(call.ended for call in stub.calls):
            return
        await asyncio.sleep(0.01)
    pytest.fail("requests still run")


async def test_before_it_starts(env: Env, stub: StubOpenAI, runtime: Runtime) -> None:
    fast = accelerate(tree(env), runtime=runtime)
    asking = asyncio.create_task(fast.aquery("one"))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not stub.calls


@pytest.mark.parametrize("build", [tree, generation, _fusion])
async def test_while_its_calls_run(
    build: Callable[[Env], Any], env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    stub.latency = 60.0
    fast = accelerate(build(env), runtime=runtime)
    asking = asyncio.create_task(fast.aquery("one"))
    while not stub.calls:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await _settled(stub)
    assert all(call.aborted for call in stub.calls)
    stub.latency = 0.0
    assert str(await fast.aquery("one")) == str(await build(env).aquery("one"))


@pytest.mark.parametrize("build", [tree, generation, _fusion])
async def test_time_out(
    build: Callable[[Env], Any], env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    stub.latency = 60.0
    fast = accelerate(build(env), runtime=runtime)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(fast.aquery("one"), 0.3)
    await _settled(stub)


async def test_one_waiter_cancelled_does_not_cancel_another(
    env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    stub.latency = 0.3
    fast = accelerate(generation(env), runtime=runtime)
    one, two = (asyncio.create_task(fast.aquery("same")) for _ in range(2))
    while len(stub.calls) < 2:
        await asyncio.sleep(0.01)
    one.cancel()
    assert str(await two) == str(await generation(env).aquery("same"))
    assert one.cancelled()


@pytest.mark.parametrize("build", [tree, generation, _fusion])
def test_interrupt(
    build: Callable[[Env], Any], env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    stub.latency = 60.0
    fast = accelerate(build(env), runtime=runtime)
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        eventually(lambda: bool(stub.calls), "the first request")
        signal.pthread_kill(main, signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        fast.query("one")
    interrupter.join()
    eventually(lambda: all(call.ended for call in stub.calls), "the abort", 5)
    stub.latency = 0.0
    assert str(fast.query("one")) == str(build(env).query("one"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_one_that_ends_while_it_begins_leaves_nothing_on_its_way(
    error: type[BaseException],
    env: Env,
    stub: StubOpenAI,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first request is there before its sender goes on: threads wait for their turn."""
    stub.latency = 60.0
    fast = accelerate(generation(env), runtime=runtime)
    start = Scope.start

    def interrupted(scope: Scope, values: Values) -> None:
        start(scope, values)
        eventually(lambda: bool(stub.calls), "the first request")
        stub.latency = 0.0
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Scope, "start", interrupted)
        if error is KeyboardInterrupt:
            with pytest.raises(KeyboardInterrupt):
                fast.query("one")
        else:  # It is the original that answers then.
            assert str(fast.query("one")) == str(generation(env).query("one"))
    eventually(lambda: all(call.ended for call in stub.calls), "the abort", 5)
    assert stub.calls[0].aborted
    assert not runtime.client.at_once
    assert str(fast.query("two")) == str(generation(env).query("two"))


async def test_a_query_that_cannot_be_planned_costs_later_ones_nothing(
    env: Env, runtime: Runtime
) -> None:
    fast = accelerate(tree(env), runtime=runtime)
    for engine in (tree(env), fast):
        with pytest.raises(ValidationError):
            engine.query(None)
    fast.query("one")
    assert not stats(fast).switched_off
    assert stats(fast).hits


async def test_callers_that_go_away_do_not_switch_it_off(
    env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    fast = accelerate(generation(env), runtime=runtime)
    await fast.aquery("one")
    stub.latency = 60.0
    for _ in range(25):
        seen = len(stub.calls)
        asking = asyncio.create_task(fast.aquery("one"))
        while len(stub.calls) == seen:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    await _settled(stub)
    stub.latency = 0.0
    assert (stats(fast).cancelled, stats(fast).wasted) == (25, 0)
    hits = stats(fast).hits
    await fast.aquery("two")
    assert stats(fast).hits > hits
    assert not stats(fast).switched_off

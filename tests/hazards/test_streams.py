"""Streams that are dropped, closed or read where nobody expects it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.response_synthesizers import ResponseMode

from ayo_bridge import Runtime, accelerate, stats
from tests.deadline import eventually
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.hazards.engines import streaming
from tests.stub_openai import StubOpenAI

LONG = " ".join(f"word{number}" for number in range(300))

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _compact(env: Env) -> Any:
    """A stream that the original makes itself, when it is first read."""
    env.streaming = True
    return parts.engine(env, ResponseMode.COMPACT, model=parts.llm(env, max_tokens=400))


ENGINES = [streaming, _compact]


def _slow(stub: StubOpenAI) -> None:
    stub.reply_when(lambda request: True, text=LONG)
    stub.token_interval = 0.05


def _ended(stub: StubOpenAI) -> bool:
    """Whether the server is rid of all calls. The SDK's responses are part of reference cycles, so
    the original too hangs up when these are collected."""
    gc.collect()
    return all(call.ended for call in stub.calls)


def _aborted(stub: StubOpenAI) -> None:
    eventually(lambda: _ended(stub), "the abort at the server", 5)
    assert [call.aborted for call in stub.calls] == [True]


async def _aborted_async(stub: StubOpenAI) -> None:
    for _ in range(200):
        await asyncio.sleep(0.01)
        if _ended(stub):
            break
    assert [call.aborted for call in stub.calls] == [True]


def test_dropped_before_its_first_token(env: Env, stub: StubOpenAI, runtime: Runtime) -> None:
    stub.latency = 60.0
    fast = accelerate(streaming(env), runtime=runtime)
    response = fast.query("one")
    del response
    eventually(lambda: _ended(stub), "the end of all calls", 5)
    assert not stub.calls, "nobody has asked for a token, and so the original makes no call"


@pytest.mark.parametrize("closed", [False, True], ids=["dropped", "closed"])
@pytest.mark.parametrize("build", ENGINES)
def test_ended_after_its_first_token(
    build: Callable[[Env], Any], closed: bool, env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    _slow(stub)
    fast = accelerate(build(env), runtime=runtime)
    response = fast.query("one")
    next(response.response_gen)
    if closed:
        response.response_gen.close()
    else:
        del response
    _aborted(stub)


async def test_async_dropped_before_its_first_token(
    env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    stub.latency = 60.0
    fast = accelerate(streaming(env), runtime=runtime)
    response = await fast.aquery("one")
    await asyncio.sleep(0.05)
    del response
    gc.collect()
    assert not stub.calls, "nobody has asked for a token, and so the original makes no call"


@pytest.mark.parametrize("closed", [False, True], ids=["dropped", "closed from another task"])
@pytest.mark.parametrize("build", ENGINES)
async def test_async_ended_after_its_first_token(
    build: Callable[[Env], Any], closed: bool, env: Env, stub: StubOpenAI, runtime: Runtime
) -> None:
    _slow(stub)
    fast = accelerate(build(env), runtime=runtime)
    response = await fast.aquery("one")
    await anext(response.response_gen)
    if closed:
        await asyncio.create_task(response.response_gen.aclose())
    else:
        del response
    await _aborted_async(stub)


@pytest.mark.parametrize("build", ENGINES)
def test_read_in_another_thread(build: Callable[[Env], Any], env: Env, runtime: Runtime) -> None:
    expected = list(build(env).query("one").response_gen)
    fast = accelerate(build(env), runtime=runtime)
    response = fast.query("one")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.extend(response.response_gen))
    reader.start()
    reader.join(10)
    assert read == expected
    assert stats(fast).calls == 1


@pytest.mark.parametrize("build", ENGINES)
def test_begun_here_and_finished_in_another_thread(
    build: Callable[[Env], Any], env: Env, runtime: Runtime
) -> None:
    expected = list(build(env).query("one").response_gen)
    fast = accelerate(build(env), runtime=runtime)
    response = fast.query("one")
    read = [next(response.response_gen)]
    reader = threading.Thread(target=lambda: read.extend(response.response_gen))
    reader.start()
    reader.join(10)
    assert read == expected


def test_two_streams_read_in_turns(env: Env, runtime: Runtime) -> None:
    engine = streaming(env)
    expected = [list(engine.query(text).response_gen) for text in ("one", "two")]
    fast = accelerate(streaming(env), runtime=runtime)
    streams = [fast.query(text).response_gen for text in ("one", "two")]
    pairs = list(zip(*streams, strict=False))
    assert [list(one) for one in zip(*pairs, strict=True)] == [
        one[: len(pairs)] for one in expected
    ]
    for stream in streams:
        stream.close()


def test_another_query_while_a_stream_is_open(env: Env, runtime: Runtime) -> None:
    """A stream sets its scope around each step only, never across a ``yield``."""
    fast = accelerate(streaming(env), runtime=runtime)
    outer = fast.query("one").response_gen
    first = next(outer)
    inner = "".join(fast.query("two").response_gen)
    rest = "".join(outer)
    plain = streaming(env)
    assert first + rest == "".join(plain.query("one").response_gen)
    assert inner == "".join(plain.query("two").response_gen)
    assert stats(fast).calls == 2

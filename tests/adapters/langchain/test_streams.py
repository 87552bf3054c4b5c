"""Abandoned streams and cancelled calls leave nothing open behind them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ayo_bridge import stats
from tests.deadline import eventually
from tests.differential.langchain_parts import chat, multi_query, rag, store
from tests.stub_openai import StubOpenAI

Accelerate = Callable[[Any], Any]


def test_an_abandoned_stream_closes_its_scope(stub: StubOpenAI, fast: Accelerate) -> None:
    accelerated = fast(rag(store().as_retriever(), chat(stub.base_url)))
    stub.token_interval = 0.05
    stream = accelerated.stream("of rivers")
    assert stats(accelerated).calls == 0
    next(stream)
    stream.close()
    assert stats(accelerated).calls == 1
    eventually(lambda: stub.in_flight == 0, "the end of the request")
    assert stub.calls[-1].aborted


def test_a_stream_that_is_dropped_closes_its_scope(stub: StubOpenAI, fast: Accelerate) -> None:
    accelerated = fast(rag(store().as_retriever(), chat(stub.base_url)))
    stub.token_interval = 0.05
    stream = accelerated.stream("of rivers")
    next(stream)
    del stream
    assert stats(accelerated).calls == 1


def test_a_stream_that_is_never_started_opens_nothing(stub: StubOpenAI, fast: Accelerate) -> None:
    accelerated = fast(multi_query(stub.base_url))
    del stub.requests[:]
    accelerated.stream("of rivers")
    assert stats(accelerated).calls == 0
    assert stub.calls == []


async def test_an_abandoned_async_stream_closes_its_scope(
    stub: StubOpenAI, fast: Accelerate
) -> None:
    accelerated = fast(rag(store().as_retriever(), chat(stub.base_url)))
    stub.token_interval = 0.05
    stream = accelerated.astream("of rivers")
    await anext(stream)
    await stream.aclose()
    assert stats(accelerated).calls == 1
    await asyncio.to_thread(eventually, lambda: stub.in_flight == 0, "the end of the request")


async def test_a_cancelled_call_closes_its_scope(
    stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    accelerated = fast(multi_query(stub.base_url, include_original=True))
    proven()
    stub.latency = 5
    task = asyncio.create_task(accelerated.ainvoke("of rivers"))
    await asyncio.to_thread(eventually, lambda: stub.in_flight > 0, "the request")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stats(accelerated).calls == 1
    await asyncio.to_thread(eventually, lambda: stub.in_flight == 0, "the end of the request")

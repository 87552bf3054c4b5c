"""Failures and abandoned streams are the original's; nothing stays open behind them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from ayo_bridge import explain, stats
from tests.adapters.langchain.calls import ENTRIES, Seen, assert_same, made
from tests.adapters.langchain.cases import chat, multi_query, rag, store
from tests.deadline import eventually
from tests.stub_openai import StubOpenAI

Accelerate = Callable[[Any], Any]


def assert_same_failure(expected: Seen, seen: Seen, entry: str, *, threads: bool) -> None:
    """The first failure ends a batch; what its other inputs come to is chance."""
    if "batch" in entry:
        assert seen.output == expected.output
    else:
        assert_same(expected, seen, threads=threads)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
async def test_the_llm_refuses_to_write_queries(
    entry: str, status: int, stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    original = multi_query(stub.base_url, include_original=True)
    accelerated = fast(original)
    proven()
    stub.reply_when("separated by newlines", status=status)
    expected = await made(original, entry, stub)
    seen = await made(accelerated, entry, stub)
    assert_same_failure(expected, seen, entry, threads=entry not in ("invoke", "stream"))


@pytest.mark.parametrize("entry", ENTRIES)
async def test_the_llm_refuses_to_answer(entry: str, stub: StubOpenAI, fast: Accelerate) -> None:
    original = rag(multi_query(stub.base_url), chat(stub.base_url))
    stub.reply_when("Context:", status=500)
    expected = await made(original, entry, stub)
    seen = await made(fast(original), entry, stub)
    assert_same_failure(expected, seen, entry, threads=True)


async def test_a_retried_request_is_seen_as_often(
    stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    original = multi_query(stub.base_url)
    original.llm_chain.steps[1].root_client.max_retries = 1  # type: ignore[attr-defined]
    accelerated = fast(original)
    proven()
    script = stub.reply_when(
        "separated by newlines", status=503, times=1, headers=[("retry-after-ms", "1")]
    )
    expected = await made(original, "invoke", stub)
    script.times = 1
    assert_same(expected, await made(accelerated, "invoke", stub), threads=False)
    assert expected.requests.total() == 2


async def test_the_server_hangs_up(
    stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    original = multi_query(stub.base_url)
    accelerated = fast(original)
    proven()
    stub.reply_when("separated by newlines", disconnect=0)
    expected = await made(original, "invoke", stub)
    seen = await made(accelerated, "invoke", stub)
    # A broken connection ahead is dropped and tried once more by the original.
    assert (seen.output, seen.tree, seen.events) == (
        expected.output,
        expected.tree,
        expected.events,
    )


async def test_a_users_function_fails(stub: StubOpenAI, fast: Accelerate) -> None:
    def fail(_: Any) -> str:
        raise ZeroDivisionError("mine")

    original = multi_query(stub.base_url) | RunnableLambda(fail)
    accelerated = fast(original)
    for entry in ENTRIES:
        expected = await made(original, entry, stub)
        assert_same(expected, await made(accelerated, entry, stub), threads=True)
    assert "ZeroDivisionError" in str(explain(accelerated).json()["error"])


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


async def test_calls_may_overlap(
    stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    original = rag(multi_query(stub.base_url, include_original=True), chat(stub.base_url))
    accelerated = fast(original)
    proven()
    questions = [f"what of item {n}?" for n in range(8)]
    expected = await asyncio.gather(*map(original.ainvoke, questions))
    assert await asyncio.gather(*map(accelerated.ainvoke, questions)) == expected
    sync = [asyncio.to_thread(accelerated.invoke, question) for question in questions]
    assert await asyncio.gather(*sync) == expected
    assert stats(accelerated).wasted == 0

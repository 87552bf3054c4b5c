"""What a call of a runnable does beside what the differential tests compare."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda

from ayo_bridge import explain, stats
from tests.adapters.langchain.calls import assert_mapped, made
from tests.differential.langchain_parts import chat, multi_query, rag, store
from tests.stub_openai import StubOpenAI

Accelerate = Callable[[Any], Any]


def chain(url: str) -> Runnable[str, str]:
    return rag(store().as_retriever(), chat(url))


def multi_in_chain(url: str) -> Runnable[str, str]:
    return rag(multi_query(url, include_original=True), chat(url))


@pytest.mark.parametrize("entry", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("build", [chain, multi_query, multi_in_chain])
async def test_every_request_belongs_to_a_primitive(
    build: Callable[[str], Any], entry: str, stub: StubOpenAI, fast: Accelerate
) -> None:
    accelerated = fast(build(stub.base_url))
    seen = await made(accelerated, entry, stub)
    assert_mapped(accelerated, seen.requests.total())


@pytest.mark.parametrize("entry", ["batch", "abatch"])
async def test_every_request_of_a_batch_belongs_to_a_primitive(
    entry: str, stub: StubOpenAI, fast: Accelerate
) -> None:
    accelerated = fast(multi_in_chain(stub.base_url))
    seen = await made(accelerated, entry, stub)
    assert_mapped(accelerated, seen.requests.total())


async def test_a_batch_keeps_to_the_concurrency_its_config_allows(
    stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    accelerated = fast(multi_in_chain(stub.base_url))
    proven()
    stub.latency, stub.max_in_flight = 0.02, 0
    accelerated.batch([f"of item {n}" for n in range(6)], {"max_concurrency": 2})
    assert stub.max_in_flight <= 2


def test_the_failure_of_a_users_function_is_explained(stub: StubOpenAI, fast: Accelerate) -> None:
    def fail(_: Any) -> str:
        raise ZeroDivisionError("mine")

    accelerated = fast(multi_query(stub.base_url) | RunnableLambda(fail))
    with pytest.raises(ZeroDivisionError):
        accelerated.invoke("of rivers")
    assert "ZeroDivisionError" in str(explain(accelerated).json()["error"])


async def test_calls_may_overlap(
    stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    original = multi_in_chain(stub.base_url)
    accelerated = fast(original)
    proven()
    questions = [f"what of item {n}?" for n in range(8)]
    expected = await asyncio.gather(*map(original.ainvoke, questions))
    assert await asyncio.gather(*map(accelerated.ainvoke, questions)) == expected
    sync = [asyncio.to_thread(accelerated.invoke, question) for question in questions]
    assert await asyncio.gather(*sync) == expected
    assert stats(accelerated).wasted == 0


def test_a_chain_with_nothing_to_gain_is_let_through_unseen(
    stub: StubOpenAI, fast: Accelerate
) -> None:
    accelerated = fast(ChatPromptTemplate.from_template("{q}") | chat(stub.base_url))
    for number in range(200):
        accelerated.invoke({"q": f"item {number}"})
    seen = stats(accelerated)
    assert seen.calls == 200
    assert 32 <= seen.direct == 200 - seen.unseen < 120
    assert "ran as in the original, unseen" in explain(accelerated).full()


def test_calls_of_several_callers_are_seen_where_a_model_in_this_process_serves_them(
    stub: StubOpenAI, fast: Accelerate
) -> None:
    accelerated = fast(chain(stub.base_url))
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        for number in range(80):
            caller = one if number % 2 else other
            caller.submit(accelerated.invoke, f"item {number}").result()
        assert stats(accelerated).unseen == 0
        for number in range(20):  # One alone shares no batch with anybody.
            one.submit(accelerated.invoke, f"item {number}").result()
        assert stats(accelerated).unseen > 10

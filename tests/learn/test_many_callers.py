"""Many threads and tasks share what was learned: answers right, hardly anything in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from ayo_bridge import Runtime, accelerate, stats
from ayo_bridge.learn.live.busy import Busy
from ayo_bridge.runahead.client import Client
from tests.adapters.python.programs import (
    asked,
    asked_async,
    async_client_of,
    client_of,
    learned,
    question,
)
from tests.learn.apps import record
from tests.stub_openai import Body, StubOpenAI

THREADS, TASKS = 16, 200
CALLS = 2
"""LLM calls of one answer."""

pytestmark = [
    pytest.mark.usefixtures("leaves_no_garbage"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def reply(body: Body) -> str:
    return str(body["messages"][-1]["content"]).upper()


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.02) as made:
        made.text = reply
        yield made


def expected(query: str) -> str:
    return f"CAUSES OF {query.upper()} / EFFECTS OF {query.upper()}"


def in_bounds(stub: StubOpenAI, answers: int) -> None:
    """All that the originals ask has been asked, and at most a fiftieth more."""
    assert CALLS * answers <= len(stub.calls) <= 1.02 * CALLS * answers


@pytest.mark.parametrize("cpu", [0.0, 0.4, 0.9])
def test_what_calls_wait_for_each_other_in_a_busy_process_is_not_the_time_of_engines(
    cpu: float,
) -> None:
    client, ticks = Client(), iter([0.0, 1.0] * 2)
    trace = record(lambda run, query: run.llm("a", query), question(1))
    client.opened(1)
    alone = Busy(client, lambda: next(ticks), iter([0.0, cpu]).__next__)
    client.closed(1)
    assert alone.less_waiting(trace) == trace
    client.opened(1)
    client.opened(2)
    shared = Busy(client, lambda: next(ticks), iter([0.0, cpu]).__next__)
    client.closed(2)
    seconds = [call.seconds for call in shared.less_waiting(trace).calls]
    assert seconds == pytest.approx([0.1 if cpu < 0.5 else 0.1 * (1 - cpu)])


@pytest.mark.parametrize("kind", ["function", "object"])
def test_sixteen_threads_share_one_learned_function_or_object(
    kind: str, stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)

    def answer(query: str) -> str:
        causes = asked(client, f"Causes of {query}")
        return f"{causes} / {asked(client, f'Effects of {query}')}"

    fast: Any = accelerate(
        answer if kind == "function" else RunnableLambda(answer), runtime=runtime
    )
    ask = fast if kind == "function" else fast.invoke
    for number in range(4):
        assert ask(question(number)) == expected(question(number))
    learned(fast)
    stub.reset()
    queries = [question(number) for number in range(10, 10 + 3 * THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(ask, queries)) == list(map(expected, queries))
    in_bounds(stub, len(queries))
    assert stats(fast).hits > 0


async def test_two_hundred_tasks_share_one_learned_function(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = async_client_of(stub)

    async def answer(query: str) -> str:
        causes = await asked_async(client, f"Causes of {query}")
        return f"{causes} / {await asked_async(client, f'Effects of {query}')}"

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        assert await fast(question(number)) == expected(question(number))
    await asyncio.to_thread(learned, fast)
    stub.reset()
    queries = [question(number) for number in range(10, 10 + TASKS)]
    assert await asyncio.gather(*map(fast, queries)) == list(map(expected, queries))
    in_bounds(stub, len(queries))
    assert stats(fast).hits > 0
    await client.close()

"""Calls of every kind are run once more as the original, and what is wrong is found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from llama_index.core.response_synthesizers import ResponseMode

from ayo_bridge import Runtime, accelerate, explain, stats
from ayo_bridge.profile import ProfileStore
from tests.adapters.python.programs import (
    asked_async,
    asking,
    async_client_of,
    learned,
    question,
)
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.differential.langchain_parts import chat, close_clients
from tests.differential.llama_index import settings
from tests.stub_openai import StubOpenAI
from tests.verify.planted import until_found, verified, wrong_template

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Heard(BaseCallbackHandler):
    """Counts the events of LangChain that it hears."""

    def __init__(self) -> None:
        self.count = 0

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        self.count += 1

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.count += 1


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.02) as server:
        yield server


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path), verify=1.0)
    yield made
    made.close()


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner
        runner.run(close_clients())


def engine(stub: StubOpenAI, request: pytest.FixtureRequest, *, streaming: bool = False) -> Any:
    env = Env(stub, request.getfixturevalue, streaming)
    source = parts.retriever(env, top_k=3)
    return parts.engine(env, ResponseMode.TREE_SUMMARIZE, chunk=64, top_k=3, source=source)


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_a_query_engine_is_run_once_more(
    streaming: bool,
    awaited: bool,
    stub: StubOpenAI,
    runtime: Runtime,
    loop: asyncio.Runner,
    request: pytest.FixtureRequest,
) -> None:
    async def read(fast: Any) -> None:
        response = await fast.aquery("What grows?")
        if streaming:
            assert [each async for each in response.response_gen]

    with settings():
        fast = accelerate(engine(stub, request, streaming=streaming), runtime=runtime)
        if awaited:
            loop.run(read(fast))
        else:
            response = fast.query("What grows?")
            assert not streaming or list(response.response_gen)
        asked = len(stub.calls)
        verified()
        assert len(stub.calls) == asked
        assert (stats(fast).verified, stats(fast).mismatched) == (1, 0)
        assert "1 by the original, run again" in str(explain(fast))


def chain(stub: StubOpenAI) -> Any:
    """Two questions, the second of which is made of the answer to the first."""
    model = chat(stub.base_url)
    first = ChatPromptTemplate.from_template("List the causes: {query}") | model | StrOutputParser()
    second = ChatPromptTemplate.from_template("Sum up: {text}") | model | StrOutputParser()
    return RunnableLambda(lambda query: {"query": query}) | {"text": first} | second


ENTRIES: dict[str, Callable[[Any, asyncio.Runner, Any, Any], Any]] = {
    "invoke": lambda fast, loop, asked, config: fast.invoke(asked, config),
    "ainvoke": lambda fast, loop, asked, config: loop.run(fast.ainvoke(asked, config)),
    "stream": lambda fast, loop, asked, config: list(fast.stream(asked, config)),
    "astream": lambda fast, loop, asked, config: loop.run(_read(fast.astream(asked, config))),
}


async def _read(stream: Any) -> list[Any]:
    return [item async for item in stream]


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_chain_is_run_once_more_and_its_callbacks_hear_of_one_run(
    entry: str, stub: StubOpenAI, runtime: Runtime, loop: asyncio.Runner
) -> None:
    plain = chain(stub)
    fast = accelerate(plain, runtime=runtime)
    ENTRIES[entry](fast, loop, question(0), None)  # Makes clients, which changes the models.
    verified()
    heard, alone = Heard(), Heard()
    ENTRIES[entry](plain, loop, question(1), {"callbacks": [alone]})
    before, asked = stats(fast), len(stub.calls)
    ENTRIES[entry](fast, loop, question(1), {"callbacks": [heard]})
    verified()
    after = stats(fast)
    assert len(stub.calls) == asked + 2
    assert heard.count == alone.count
    assert after.verified == before.verified + 1, str(explain(fast))
    assert "by the original, run again" in str(explain(fast))
    assert after.mismatched == 0


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_wrong_template_of_a_chain_is_found_and_switched_off(
    entry: str,
    stub: StubOpenAI,
    runtime: Runtime,
    loop: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = chat(stub.base_url)

    def both(query: str) -> str:
        causes = model.invoke(f"List the causes: {query}").content
        return f"{causes}{model.invoke(f'List the effects: {query}').content}"

    fast: Any = accelerate(RunnableLambda(both), runtime=runtime)
    call = ENTRIES[entry]
    for number in range(4):
        call(fast, loop, question(number), None)
    learned(fast)
    wrong_template(monkeypatch)
    assert until_found(fast, lambda number: call(fast, loop, question(number), None)) <= 100
    assert "handed over for another" in explain(fast).switched_off


def test_a_function_that_is_learned_is_run_once_more(
    stub: StubOpenAI, runtime: Runtime, loop: asyncio.Runner
) -> None:
    ask, client = asking(stub), async_client_of(stub)

    def answer(query: str) -> str:
        return ask(f"List the causes: {query}") + ask(f"List the effects: {query}")

    async def awaited(query: str) -> str:
        causes = await asked_async(client, f"List the causes: {query}")
        return causes + await asked_async(client, f"List the effects: {query}")

    fast, also = accelerate(answer, runtime=runtime), accelerate(awaited, runtime=runtime)
    for number in range(6):
        fast(question(number))
        loop.run(also(question(number)))
        verified()
    loop.run(client.close())
    for each in (fast, also):
        assert "by the original, run again" in str(explain(each)), str(explain(each))
        assert stats(each).mismatched == 0


def test_a_function_that_keeps_count_is_not_run_once_more(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    ask, log = asking(stub), []

    def answer(query: str) -> str:
        log.append(query)
        return ask(f"List the causes: {query}")

    fast = accelerate(answer, runtime=runtime)
    for number in range(2):
        fast(question(number))
        verified()
    assert len(log) == 2
    assert "not verified by a second run: writes (it changes a list" in str(explain(fast))


def test_a_wrong_answer_of_an_awaited_function_is_found(
    stub: StubOpenAI,
    runtime: Runtime,
    loop: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = async_client_of(stub)

    async def answer(query: str) -> str:
        causes = await asked_async(client, f"List the causes: {query}")
        return causes + await asked_async(client, f"List the effects: {query}")

    fast: Any = accelerate(answer, runtime=runtime)
    for number in range(4):
        loop.run(fast(question(number)))
    learned(fast)
    wrong_template(monkeypatch)
    assert until_found(fast, lambda number: loop.run(fast(question(number)))) <= 100
    loop.run(client.close())
    assert "handed over for another" in explain(fast).switched_off

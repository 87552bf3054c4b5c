"""A lifter that is wrong is found and switched off, however the object is called."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.vector_stores.types import VectorStoreQueryResult

from ayo_bridge import Runtime, accelerate, explain, stats
from ayo_bridge.profile import ProfileStore
from ayo_langchain.stores import Search
from ayo_llamaindex.stores import Search as LlamaIndexSearch
from tests.adapters.python.programs import learned, question
from tests.differential import llama_index_parts as parts
from tests.differential.harness import EagerRuntime, Env
from tests.differential.langchain_parts import chat, close_clients, multi_query, writes_queries
from tests.differential.llama_index import settings
from tests.stub_openai import StubOpenAI
from tests.verify.planted import until_found, verified, wrong_lifter, wrong_template

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.01) as server:
        writes_queries(server)
        yield server


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path), verify=0.5)
    made.chance.seed(3)
    yield made
    made.close()


@pytest.fixture
def eager(tmp_path: Path) -> Iterator[Runtime]:
    """One that runs ahead whatever there is to win."""
    made = EagerRuntime(measure=False, profiles=ProfileStore(tmp_path), verify=0.5)
    made.chance.seed(3)
    yield made
    made.close()


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner
        runner.run(close_clients())


async def _query(entry: str, engine: Any, asked: str) -> str:
    """The answer, read to its end where it streams."""
    response = engine.query(asked) if entry == "query" else await engine.aquery(asked)
    if hasattr(response, "async_response_gen"):
        return "".join([text async for text in response.async_response_gen()])
    return "".join(getattr(response, "response_gen", None) or [str(response)])


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("entry", ["query", "aquery"])
def test_a_query_engine_whose_requests_are_wrong(
    entry: str,
    streaming: bool,
    stub: StubOpenAI,
    eager: Runtime,
    loop: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    def query(engine: Any, asked: str) -> str:
        return loop.run(_query(entry, engine, asked))

    with settings():
        env = Env(stub, request.getfixturevalue, streaming)
        # Awaited, a tree asks side by side itself: what runs ahead is what the fusion asks.
        source: Any = parts.retriever(env, top_k=3)
        if entry == "aquery":
            parts.answers(stub)
            source = parts.fusion(env, "simple", retrievers=[source], queries=4)
        engine = parts.engine(env, ResponseMode.TREE_SUMMARIZE, chunk=64, top_k=3, source=source)
        fast = accelerate(engine, runtime=eager)
        query(fast, "What is known?")  # Makes the client, which changes the model object.
        verified()
        wrong_lifter(monkeypatch)
        assert until_found(fast, lambda n: query(fast, f"What grows in place {n}?")) <= 100
        assert query(fast, "What grows?") == query(engine, "What grows?")
        assert explain(fast).switched_off


@pytest.mark.parametrize("entry", ["retrieve", "aretrieve"])
def test_a_fusion_whose_searches_find_less(
    entry: str,
    stub: StubOpenAI,
    eager: Runtime,
    loop: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    right = LlamaIndexSearch.run

    def wrong(self: LlamaIndexSearch) -> object:
        found: Any = right(self)
        return VectorStoreQueryResult(found.nodes, found.similarities[:-1], found.ids[:-1])

    async def call(number: int) -> object:
        asked = f"What grows in place {number}?"
        return await fast.aretrieve(asked) if entry == "aretrieve" else fast.retrieve(asked)

    with settings():
        env = Env(stub, request.getfixturevalue)
        source = parts.retriever(env, top_k=3)
        plain = parts.fusion(env, "simple", retrievers=[source], queries=4)
        fast = accelerate(plain, runtime=eager)
        loop.run(call(0))  # Makes the client.
        verified()
        monkeypatch.setattr(LlamaIndexSearch, "run", wrong)
        assert until_found(fast, lambda number: loop.run(call(number))) <= 100
        assert "found something else" in explain(fast).switched_off


class Twice(CustomQueryEngine):
    """A user's own engine, which asks two questions."""

    llm: Any

    def custom_query(self, query_str: str) -> str:
        """Causes and effects."""
        causes = self.llm.complete(f"List the causes: {query_str}").text
        return f"{causes}{self.llm.complete(f'List the effects: {query_str}').text}"

    async def acustom_query(self, query_str: str) -> str:
        """The same."""
        causes = (await self.llm.acomplete(f"List the causes: {query_str}")).text
        return f"{causes}{(await self.llm.acomplete(f'List the effects: {query_str}')).text}"


@pytest.mark.parametrize("entry", ["query", "aquery"])
def test_a_wrong_template_of_a_query_engine(
    entry: str,
    stub: StubOpenAI,
    runtime: Runtime,
    loop: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    async def call(number: int) -> object:
        asked = question(number)
        return await fast.aquery(asked) if entry == "aquery" else fast.query(asked)

    stub.latency = 0.03
    with settings():
        fast = accelerate(Twice(llm=parts.llm(Env(stub, request.getfixturevalue))), runtime=runtime)
        for number in range(5):
            loop.run(call(number))
        verified()
        learned(fast)
        assert stats(fast).mismatched == 0
        wrong_template(monkeypatch)
        assert until_found(fast, lambda number: loop.run(call(number))) <= 100
        assert "handed over for another" in explain(fast).switched_off


ENTRIES: dict[str, Callable[[Any, asyncio.Runner, str], Any]] = {
    "invoke": lambda fast, loop, asked: fast.invoke(asked),
    "ainvoke": lambda fast, loop, asked: loop.run(fast.ainvoke(asked)),
    "stream": lambda fast, loop, asked: list(fast.stream(asked)),
    "astream": lambda fast, loop, asked: loop.run(_read(fast.astream(asked))),
}


async def _read(stream: Any) -> list[Any]:
    return [item async for item in stream]


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_retriever_whose_searches_have_another_top_k(
    entry: str,
    stub: StubOpenAI,
    runtime: Runtime,
    loop: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fast: Any = accelerate(multi_query(stub.base_url), runtime=runtime)
    right = Search.run

    def wrong(self: Search) -> object:
        found: Any = right(self)
        return found[:-1]

    monkeypatch.setattr(Search, "run", wrong)
    call = ENTRIES[entry]
    assert until_found(fast, lambda n: call(fast, loop, f"what of river {n}?")) <= 100
    assert "found something else" in explain(fast).switched_off


@pytest.mark.parametrize("entry", ["chat", "achat", "stream_chat", "astream_chat"])
def test_a_conversation_is_compared_on_a_memory_of_its_own(
    entry: str, stub: StubOpenAI, runtime: Runtime, loop: asyncio.Runner, request: Any
) -> None:
    async def awaited(fast: Any, asked: str) -> None:
        response = await getattr(fast, entry)(asked)
        if entry.startswith("astream"):
            assert [each async for each in response.async_response_gen()]

    def call(fast: Any, asked: str) -> None:
        if entry in ("achat", "astream_chat"):
            loop.run(awaited(fast, asked))
            return
        response = getattr(fast, entry)(asked)
        if entry == "stream_chat":
            assert list(response.response_gen)

    with settings():
        llm = parts.llm(Env(stub, request.getfixturevalue))
        memory = ChatMemoryBuffer.from_defaults(llm=llm)
        runtime.verify = 1.0
        fast = accelerate(SimpleChatEngine.from_defaults(llm=llm, memory=memory), runtime=runtime)
        for number in range(4):
            call(fast, f"What grows in place {number}?")
            verified()
        assert len(memory.get_all()) == 8
        assert stats(fast).mismatched == 0, str(explain(fast))
        assert "by the original, run again" in str(explain(fast)), explain(fast).full()


def test_a_tool_is_not_called_twice(stub: StubOpenAI, runtime: Runtime) -> None:
    from langchain_core.runnables import RunnableLambda
    from langchain_core.tools import tool

    called: list[str] = []
    model = chat(stub.base_url)

    @tool
    def look_up(what: str) -> str:
        """Look something up."""
        called.append(what)
        return what.upper()

    runtime.verify = 1.0
    fast: Any = accelerate(
        RunnableLambda(lambda what: model.invoke(look_up.invoke(what)).content), runtime=runtime
    )
    for number in range(3):
        fast.invoke(f"river {number}")
        verified()
    assert called == [f"river {number}" for number in range(3)]
    assert "writes (it calls tools (StructuredTool))" in str(explain(fast))


NOTHING = """
import sys
import httpx
from ayo_bridge import Runtime, accelerate

client = httpx.Client()

def answer(query):
    body = {"model": "stub", "prompt": f"of {query}"}
    return client.post(sys.argv[1] + "/completions", json=body).json()["choices"][0]["text"]

fast = accelerate(answer, runtime=Runtime(verify=0))
for number in range(3):
    fast(f"question {number}")
print(" ".join(sys.modules))
"""
VERIFYING = {
    *(f"ayo_bridge.runahead.{each}" for each in ("verification", "verified", "replayed", "handed")),
    *(f"ayo_bridge.lift.{each}" for each in ("twice", "untouched", "effects")),
    *("ayo_bridge.runahead.kept", "ayo_bridge.learn.live.twice"),
    "ayo_bridge.verify",
}


def test_without_a_share_no_module_that_verifies_is_imported(stub: StubOpenAI) -> None:
    command = [sys.executable, "-W", "ignore", "-c", NOTHING, stub.base_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    modules = set(done.stdout.split())
    assert "ayo_bridge.runahead.opening" in modules
    assert modules & VERIFYING == set()

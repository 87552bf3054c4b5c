"""Thousands of calls of two tenants, interleaved: none gets the other's reply.

``AYO_TENANT_CALLS=10000`` makes ten thousand of them, which takes minutes.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge import Runtime, accelerate
from ayo_bridge.profile import ProfileStore
from tests.differential.langchain_parts import chat, close_clients
from tests.faults.matrix.entries import multi_query, synthesis
from tests.llama_index_like import openai_like
from tests.stub_openai import StubProcess

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(600),
]
TENANTS = ("red", "blue")
CALLS = int(os.environ.get("AYO_TENANT_CALLS", "400"))
"""Of an LLM, by all four tests."""
QUESTIONS = tuple(f"question {number}" for number in range(10))
THREADS = 4
AT_ONCE = 32


@pytest.fixture
def server() -> Iterator[StubProcess]:
    with StubProcess(lines=True, tenants=True) as made:
        yield made


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


def _accumulate(server: StubProcess, key: str) -> Any:
    model = openai_like(server.base_url, api_key=key, max_tokens=32, timeout=60.0)
    return synthesis(model, "accumulate")


def _chain(server: StubProcess, key: str) -> Any:
    return multi_query(chat(server.base_url, api_key=key, max_tokens=32, timeout=60.0))


APPS: Mapping[str, tuple[Callable[[StubProcess, str], Any], int]] = {
    "accumulate": (_accumulate, 4),
    "chain": (_chain, 2),
}
"""How they are built, and how many calls a question costs."""


class Asked:
    """Two tenants' own objects, and one that both use, with the right answers of each."""

    def __init__(self, app: str, server: StubProcess, runtime: Runtime) -> None:
        build, calls = APPS[app]
        plain = {key: build(server, key) for key in (*TENANTS, "both")}
        self.fast = {key: accelerate(build(server, key), runtime=runtime) for key in plain}
        possible = [(key, question) for key in plain for question in self._questions(key)]
        rng = random.Random(CALLS)
        self.plan = rng.choices(possible, k=CALLS // len(APPS) // 2 // calls)
        """Questions in an order that mixes all."""
        self.right = {(key, one): str(_ask(plain[key], one)) for key, one in {*self.plan}}
        assert len(set(self.right.values())) == len(self.right)
        self.wrong: list[tuple[str, str, str]] = []

    @staticmethod
    def _questions(key: str) -> list[str]:
        """Tenants of one object differ in what they ask; those of two may ask the same."""
        if key != "both":
            return list(QUESTIONS)
        return [f"{tenant} asks {question}" for tenant in TENANTS for question in QUESTIONS]

    def check(self, key: str, question: str, answer: object) -> None:
        if str(answer) != self.right[key, question]:
            self.wrong.append((key, question, str(answer)))


def _ask(obj: Any, question: str) -> Any:
    return obj.query(question) if hasattr(obj, "query") else obj.invoke(question)


async def _aask(obj: Any, question: str) -> Any:
    return await (obj.aquery(question) if hasattr(obj, "aquery") else obj.ainvoke(question))


@pytest.mark.parametrize("app", APPS)
def test_in_threads(app: str, server: StubProcess, runtime: Runtime) -> None:
    asked = Asked(app, server, runtime)

    def one(what: tuple[str, str]) -> None:
        asked.check(*what, _ask(asked.fast[what[0]], what[1]))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, asked.plan))
    assert asked.wrong == []
    asyncio.run(close_clients())


@pytest.mark.parametrize("app", APPS)
async def test_on_a_loop(app: str, server: StubProcess, runtime: Runtime) -> None:
    asked = Asked(app, server, runtime)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(what: tuple[str, str]) -> None:
        async with places:
            asked.check(*what, await _aask(asked.fast[what[0]], what[1]))

    await asyncio.gather(*(one(what) for what in asked.plan))
    assert asked.wrong == []
    for obj in asked.fast.values():
        if hasattr(obj, "_response_synthesizer"):
            await obj._response_synthesizer._llm._aclient.close()
    await close_clients()

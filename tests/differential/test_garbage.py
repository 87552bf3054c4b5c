"""A call leaves nothing of ours to the collector: its requests and answers are let go at its end.

A cycle that each call leaves keeps them, and brings on collections of everything that
a process holds, which stop all of its threads: for a third of a second where torch is loaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextvars import Context
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from ayo_bridge import Runtime
from tests.cycles import collected
from tests.differential import test_langchain, test_llama_index
from tests.differential.case import Case, Entry, Env, Framework
from tests.differential.harness import accelerated, accelerated_async, observe, observe_async
from tests.differential.langchain import LANGCHAIN
from tests.differential.langchain_parts import close_clients
from tests.differential.llama_index import LLAMA_INDEX, settings

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _named(rows: Sequence[Case], *names: str) -> list[Case]:
    return [case for case in rows if case.name in names]


LLAMA = _named(
    test_llama_index.ROWS,
    "tree-chat",
    "accumulate-chat",
    "fusion-simple-use_async=True",
    "remote-fusion-engine",
    "ollama-fusion",
    "nobody-listens",
)
CHAINS = _named(
    test_langchain.ROWS, "multi-proven", "multi-in-chain-proven", "ollama-multi", "engines-by-turns"
)


@pytest.fixture(autouse=True, scope="module")
def _settings() -> Iterator[None]:
    with settings():
        yield


def _rows(*, awaited: bool) -> list[ParameterSet]:
    return [
        pytest.param(framework, case, entry, id=f"{case.name}-{entry}")
        for framework, rows in ((LLAMA_INDEX, LLAMA), (LANGCHAIN, CHAINS))
        for case in rows
        for entry in case.entries
        if framework.entries[entry].concurrent is awaited
    ]


@pytest.mark.parametrize(("framework", "case", "entry"), _rows(awaited=False))
def test_of_a_synchronous_call(
    framework: Framework, case: Case, entry: str, env: Env, runtime: Runtime
) -> None:
    ask = framework.entries[entry]
    env.streaming = ask.streaming
    fast = accelerated(env, case, ask, runtime)
    Context().run(observe, env, framework, fast, ask, case.queries[0])
    with collected() as found:
        Context().run(observe, env, framework, fast, ask, case.queries[-1])
        runtime.submit(asyncio.sleep(0)).result(5)
    assert found == []


@pytest.mark.parametrize(("framework", "case", "entry"), _rows(awaited=True))
async def test_of_an_awaited_call(
    framework: Framework, case: Case, entry: str, env: Env, runtime: Runtime
) -> None:
    ask = framework.entries[entry]
    env.streaming = ask.streaming
    fast = await accelerated_async(env, case, ask, runtime)
    await _asked(env, framework, fast, ask, case.queries[0])
    with collected() as found:
        await _asked(env, framework, fast, ask, case.queries[-1])
        await asyncio.wrap_future(runtime.submit(asyncio.sleep(0)))
    assert found == []
    await close_clients()


async def _asked(env: Env, framework: Framework, fast: Any, ask: Entry, query: Any) -> None:
    asking = observe_async(env, framework, fast, ask, query)
    await asyncio.create_task(asking, context=Context())

"""LlamaIndex: accelerated gives what the original gives, to every observer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ayo_bridge import Runtime
from tests.differential import (
    rows_engines,
    rows_errors,
    rows_ollama,
    rows_options,
    rows_remote,
    rows_retrieval,
    rows_stores,
    rows_synthesis,
)
from tests.differential.harness import Case, Env, compare, compare_async, parameters
from tests.differential.llama_index import LLAMA_INDEX, settings

ROWS = [
    *rows_synthesis.ROWS,
    *rows_retrieval.ROWS,
    *rows_options.ROWS,
    *rows_errors.ROWS,
    *rows_remote.ROWS,
    *rows_ollama.ROWS,
    *rows_engines.ROWS,
    *rows_stores.ROWS,
]

# The SDK's asynchronous clients close themselves in whatever loop runs when they are collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
]


@pytest.fixture(autouse=True, scope="module")
def _settings() -> Iterator[None]:
    with settings():
        yield


def test_row_names_are_unique() -> None:
    names = [case.name for case in ROWS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("case", "entry"), parameters(LLAMA_INDEX, ROWS, concurrent=False))
def test_sync(case: Case, entry: str, env: Env, runtime: Runtime) -> None:
    env.streaming = LLAMA_INDEX.entries[entry].streaming
    compare(LLAMA_INDEX, case, entry, env, runtime).check(case, entry)


@pytest.mark.parametrize(("case", "entry"), parameters(LLAMA_INDEX, ROWS, concurrent=True))
async def test_async(case: Case, entry: str, env: Env, runtime: Runtime) -> None:
    env.streaming = LLAMA_INDEX.entries[entry].streaming
    (await compare_async(LLAMA_INDEX, case, entry, env, runtime)).check(case, entry)

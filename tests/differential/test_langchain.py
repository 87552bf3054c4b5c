"""LangChain: accelerated gives what the original gives, to every observer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from ayo_bridge import Runtime
from tests.differential import (
    rows_langchain,
    rows_langchain_engines,
    rows_langchain_errors,
    rows_langchain_ollama,
    rows_langchain_remote,
    rows_langchain_stores,
)
from tests.differential.harness import Case, Env, compare, compare_async, parameters
from tests.differential.langchain import LANGCHAIN
from tests.differential.langchain_parts import close_clients

ROWS = [
    *rows_langchain.ROWS,
    *rows_langchain_errors.ROWS,
    *rows_langchain_remote.ROWS,
    *rows_langchain_ollama.ROWS,
    *rows_langchain_engines.ROWS,
    *rows_langchain_stores.ROWS,
]

# A request that fails leaves its socket to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:.*langchain-community. is being sunset"),
    # langchain-milvus asks in a way that pymilvus will drop.
    pytest.mark.filterwarnings("ignore:.*ORM-style PyMilvus API"),
]


@pytest.fixture(autouse=True, scope="module")
def _stores() -> Iterator[None]:
    yield
    rows_langchain_stores.close()


@pytest.fixture(autouse=True)
async def _clients() -> AsyncIterator[None]:
    """Clients are closed on the loop that they were used on."""
    yield
    await close_clients()


def test_row_names_are_unique() -> None:
    names = [case.name for case in ROWS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("case", "entry"), parameters(LANGCHAIN, ROWS, concurrent=False))
def test_sync(case: Case, entry: str, env: Env, runtime: Runtime) -> None:
    compare(LANGCHAIN, case, entry, env, runtime).check(case, entry)


@pytest.mark.parametrize(("case", "entry"), parameters(LANGCHAIN, ROWS, concurrent=True))
async def test_async(case: Case, entry: str, env: Env, runtime: Runtime) -> None:
    (await compare_async(LANGCHAIN, case, entry, env, runtime)).check(case, entry)

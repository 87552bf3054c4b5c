"""LlamaIndex's ingestion: accelerated it gives what the original gives, to every observer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from llama_index.core.schema import (
    BaseNode,
    Document,
)

from ayo_bridge import Runtime
from tests.differential.harness import Case, Entry, Env, Framework, compare, compare_async
from tests.differential.harness import parameters as parameters_of
from tests.differential.llama_index import settings, watching
from tests.differential.rows_ingestion import FUNCTIONS, ROWS, close_clients

# The SDK's asynchronous clients close themselves in whatever loop runs when they are collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def _settings() -> Iterator[None]:
    with settings():
        yield


SYNC = [*ROWS, *FUNCTIONS]


def _call(function: Any, query: Any) -> Any:
    index = function(query)
    stores = index.docstore, getattr(index, "vector_store", None)
    return [[store and store.to_dict() for store in stores], index.ref_doc_info]


def _given(query: Any) -> dict[str, Any]:
    return {"documents" if isinstance(query[0], Document) else "nodes": query}


def _seen(pipeline: Any, found: Sequence[BaseNode]) -> Any:
    """What a run returns, and what it leaves in the stores."""
    stores = pipeline.docstore, pipeline.vector_store, pipeline.cache.cache
    left = [None if store is None else store.to_dict() for store in stores]
    return [found, [node.hash for node in found], left]


def _run(pipeline: Any, query: Any) -> Any:
    return _seen(pipeline, pipeline.run(**_given(query)))


async def _arun(pipeline: Any, query: Any) -> Any:
    return _seen(pipeline, await pipeline.arun(**_given(query)))


INGESTION = Framework(
    "llama-index ingestion",
    {"run": Entry(_run), "call": Entry(_call), "arun": Entry(_arun, concurrent=True)},
    watching,
)


@pytest.fixture
def _loop() -> Iterator[None]:
    """The loop on which LlamaIndex runs what it awaits: one for all, for clients belong to one."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.run_until_complete(close_clients())
    for task in asyncio.all_tasks(loop):  # What an error has left behind.
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    asyncio.set_event_loop(None)
    loop.close()


@pytest.mark.usefixtures("_loop")
@pytest.mark.parametrize(("case", "entry"), parameters_of(INGESTION, SYNC, concurrent=False))
def test_run(case: Case, entry: str, env: Env, runtime: Runtime) -> None:
    compare(INGESTION, case, entry, env, runtime).check(case, entry)


@pytest.mark.parametrize(("case", "entry"), parameters_of(INGESTION, ROWS, concurrent=True))
async def test_arun(case: Case, entry: str, env: Env, runtime: Runtime) -> None:
    try:
        (await compare_async(INGESTION, case, entry, env, runtime)).check(case, entry)
    finally:
        await close_clients()

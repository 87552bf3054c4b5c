"""Searches that were made ahead and found the wrong things are seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core import VectorStoreIndex
from llama_index.core.vector_stores import VectorStoreQuery

from ayo_bridge import Runtime
from ayo_bridge.lift.stores import StoreEngine
from ayo_bridge.profile import ProfileStore
from ayo_bridge.runahead.handed import handed_wrong
from ayo_bridge.runahead.kept import Kept
from ayo_bridge.runahead.replayed import Difference
from ayo_bridge.seam import Call
from ayo_langchain import stores as langchain_stores
from ayo_llamaindex import stores as llama_stores
from tests.differential import llama_index_parts as parts
from tests.differential.langchain_parts import texts

DIMENSION = 8


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


def of_llama_index(runtime: Runtime) -> tuple[Any, Callable[[int], Call]]:
    nodes = parts.nodes()
    index = VectorStoreIndex(nodes, embed_model=parts.mock_embedding())
    found = index.vector_store
    engine = llama_stores.engine_for(found, runtime)

    def call(top_k: int) -> Call:
        query = VectorStoreQuery(query_embedding=[0.5] * DIMENSION, similarity_top_k=top_k)
        return llama_stores.search_call(engine, found, query)

    return found, call


def of_langchain(runtime: Runtime) -> tuple[Any, Callable[[int], Call]]:
    found = InMemoryVectorStore(DeterministicFakeEmbedding(size=DIMENSION))
    found.add_documents(texts())
    engine = langchain_stores.store_engine(found, runtime)
    assert engine is not None
    vector = found.embedding.embed_query("what of rivers?")
    return found, lambda top_k: langchain_stores.search_call(engine, found, vector, top_k)


@pytest.fixture(params=[of_llama_index, of_langchain], ids=["llama-index", "langchain"])
def searched(request: pytest.FixtureRequest, runtime: Runtime) -> tuple[Any, Callable[[int], Call]]:
    made: tuple[Any, Callable[[int], Call]] = request.param(runtime)
    return made


def taken(runtime: Runtime, asked: Call, made: Call) -> Difference | None:
    """What is said of a search that the original asked for, and that was made like that."""
    (result,) = StoreEngine("a store", 1).run([made])
    kept = Kept()
    kept.took(asked.key, made, result)
    return handed_wrong(runtime, kept)


def test_a_search_that_was_made_right_is_right(
    searched: tuple[Any, Callable[[int], Call]], runtime: Runtime
) -> None:
    _, call = searched
    assert taken(runtime, call(3), call(3)) is None


def test_a_search_with_another_top_k_is_seen(
    searched: tuple[Any, Callable[[int], Call]], runtime: Runtime
) -> None:
    _, call = searched
    right, wrong = call(3), call(2)
    planted = Call(right.engine, right.key, wrong.payload, deterministic=True)
    found = taken(runtime, right, planted)
    assert found is not None
    assert found.what == "a result made for one request was handed over for another"


def test_rows_that_are_out_of_date_are_seen(
    searched: tuple[Any, Callable[[int], Call]],
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, call = searched
    (stale,) = StoreEngine("a store", 1).run([call(1)])

    def run(self: StoreEngine, calls: Sequence[Call]) -> Sequence[object]:
        return [stale for _ in calls]

    monkeypatch.setattr(StoreEngine, "run", run)
    found = taken(runtime, call(3), call(3))
    assert found is not None
    assert "found something else than it finds" in found.what
    assert len(found.original) > len(found.accelerated)


def test_a_store_that_holds_something_else_by_now_is_not_taken_for_wrong(
    runtime: Runtime,
) -> None:
    found, call = of_langchain(runtime)
    asked = call(3)
    (result,) = StoreEngine("a store", 1).run([asked])
    found.store.popitem()
    kept = Kept()
    kept.took(asked.key, asked, result)
    assert handed_wrong(runtime, kept) is None

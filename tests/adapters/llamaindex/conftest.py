"""Stores on a real Postgres and in memory, with their bindings on."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.vector_stores import (
    SimpleVectorStore,
)

from ayo_bridge.profile import ProfileStore
from ayo_bridge.runtime import Runtime
from ayo_llamaindex.stores import (
    BINDINGS,
)
from tests.adapters.llamaindex.stores import make_nodes, make_postgres_store

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres


@pytest.fixture(autouse=True)
def _bound() -> Iterator[None]:
    for binding in BINDINGS:
        assert binding.install(), binding.status
    yield
    for binding in BINDINGS:
        binding.uninstall()


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(profiles=ProfileStore(tmp_path))
    yield made
    made.close()


@pytest.fixture
def simple() -> SimpleVectorStore:
    store = SimpleVectorStore()
    store.add(make_nodes(10))
    return store


@pytest.fixture
def store(postgres: "EmbeddedPostgres") -> Iterator[Any]:
    made = make_postgres_store(postgres, hybrid_search=True)
    made.add(make_nodes(10))
    yield made
    asyncio.run(made.close())

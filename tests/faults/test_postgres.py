"""Postgres is killed under a vector store: as without us, and usable again after its restart."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from llama_index.core import StorageContext, VectorStoreIndex

from ayo_bridge import Runtime, accelerate, stats
from ayo_bridge.serving.postgres import EmbeddedPostgres
from tests.deadline import eventually
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _leaves_nothing() -> Iterator[None]:
    """No thread more than before; children and connections are those of the server."""
    threads = set(threading.enumerate())
    yield
    eventually(lambda: set(threading.enumerate()) <= threads, "the end of all threads", 20)


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[EmbeddedPostgres]:
    """One of our own: others would not like to see theirs killed."""
    with EmbeddedPostgres() as made:
        _index(made, parts.nodes())
        yield made


def _index(server: EmbeddedPostgres, nodes: Any = None) -> VectorStoreIndex:
    store = parts.postgres_store(server, table_name="faults", embed_dim=parts.DIMENSION)
    model = parts.mock_embedding()
    if nodes is None:
        return VectorStoreIndex.from_vector_store(store, embed_model=model)
    context = StorageContext.from_defaults(vector_store=store)
    return VectorStoreIndex(nodes, storage_context=context, embed_model=model)


def _retriever(server: EmbeddedPostgres, env: Env) -> Any:
    parts.answers(env.stub)
    source = _index(server).as_retriever(similarity_top_k=3)
    return parts.fusion(env, "simple", retrievers=[source])


def _kill(server: EmbeddedPostgres) -> None:
    """Kill all of it with -9, and wait until its watcher has brought it back."""
    restarts = server.restarts
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    eventually(lambda: server.restarts > restarts and server.alive, "the restart", 60)
    server.ensure()


def _shown(found: Any) -> list[tuple[str, float]]:
    return [(node.node_id, node.score) for node in found]


def _outcome(ask: Any) -> Any:
    try:
        return _shown(ask())
    except Exception as error:
        return f"{type(error).__module__}.{type(error).__qualname__}"


def test_between_queries(server: EmbeddedPostgres, env: Env, runtime: Runtime) -> None:
    plain, fast = _retriever(server, env), accelerate(_retriever(server, env), runtime=runtime)
    expected = _shown(plain.retrieve("one"))
    assert _shown(fast.retrieve("one")) == expected
    _kill(server)
    # The original's pool holds a dead connection for one query. A search ahead may have found that
    # out before the original came: then its query succeeds.
    first = [_outcome(lambda one=one: one.retrieve("one")) for one in (plain, fast)]
    assert first[1] in (first[0], expected)
    for one in (plain, fast):
        assert _shown(one.retrieve("one")) == expected
    assert stats(fast).hits


def test_in_the_middle_of_a_query(server: EmbeddedPostgres, env: Env, runtime: Runtime) -> None:
    outcomes = []
    for quick in (False, True):
        retriever = _retriever(server, env)
        if quick:
            retriever = accelerate(retriever, runtime=runtime)
        expected = _shown(retriever.retrieve("one"))
        with _locked(server):
            asking = _Asking(retriever)
            asking.start()
            eventually(lambda: _waiting(server) > 0, "a search that waits", 20)
            _kill(server)
        asking.join(30)
        assert not asking.is_alive(), "the query hangs"
        outcomes.append(asking.outcome if isinstance(asking.outcome, str) else "answered")
        _outcome(lambda r=retriever: r.retrieve("one"))
        assert _shown(retriever.retrieve("one")) == expected
    assert outcomes[1] in (outcomes[0], "answered")


class _Asking(threading.Thread):
    def __init__(self, retriever: Any) -> None:
        super().__init__()
        self._retriever = retriever
        self.outcome: Any = None

    def run(self) -> None:
        self.outcome = _outcome(lambda: self._retriever.retrieve("one"))


class _locked:
    """Searches wait while the table is locked."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._connection = psycopg.connect(server.url)

    def __enter__(self) -> None:
        self._connection.execute("LOCK TABLE data_faults IN ACCESS EXCLUSIVE MODE")

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _waiting(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.url, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    assert row is not None
    return int(row[0])

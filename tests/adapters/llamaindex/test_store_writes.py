"""Writes to vector stores that are held back, on a real Postgres and in memory."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import (
    SimpleVectorStore,
)

from ayo_bridge.graph import Op
from ayo_bridge.lift.copies import own
from ayo_bridge.lift.staging import NotStagedError, Staged
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import Outcome, entered
from ayo_llamaindex.stores import (
    engine_for,
    ingestion_call,
    stage_add,
)
from tests.adapters.llamaindex.stores import (
    DEADLINE,
    ahead,
    make_nodes,
    make_postgres_store,
    make_query,
    outcomes,
    rows,
    vector,
)
from tests.scopes import open_scope

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres


@pytest.mark.real
def test_staged_rows_are_those_of_add_and_invisible_until_the_commit(
    postgres: "EmbeddedPostgres",
) -> None:
    nodes = make_nodes(7)
    written, staged_store = make_postgres_store(postgres), make_postgres_store(postgres)
    written.add(nodes)
    staged_store.add([])
    staged = stage_add(staged_store, nodes)
    assert rows(staged_store) == []
    assert staged.equals(nodes)
    assert staged.commit()
    assert rows(staged_store) == rows(written)
    assert not staged.commit()
    staged.rollback()
    assert rows(staged_store) == rows(written)


@pytest.mark.real
@pytest.mark.parametrize("awaited", [False, True])
def test_add_commits_the_equal_write_that_ran_ahead(
    store: Any, runtime: Runtime, awaited: bool
) -> None:
    engine, nodes = engine_for(store, runtime), make_nodes(3, document="new")
    before = rows(store)
    scope, _ = ahead(
        runtime, engine, lambda scope: [ingestion_call(engine, store, nodes, scope)], Op.INGESTION
    )
    assert rows(store) == before
    with entered(scope):
        ids = asyncio.run(_async_add(store, nodes)) if awaited else store.add(nodes)
    assert ids == [node.node_id for node in nodes]
    assert outcomes(scope) == [Outcome.HIT]
    assert [row[0] for row in rows(store)[len(before) :]] == ids
    scope.close()
    assert len(rows(store)) == len(before) + 3


async def _async_add(store: Any, nodes: list[TextNode]) -> list[str]:
    added: list[str] = await store.async_add(nodes)
    await store._async_engine.dispose()
    return added


@pytest.mark.real
@pytest.mark.parametrize(
    "change",
    [
        lambda node: node.metadata.update(page=True),
        lambda node: node.set_content("changed"),
        lambda node: setattr(node, "embedding", vector(9)),
        lambda node: node.relationships.clear(),
    ],
)
def test_add_of_changed_nodes_writes_them_itself(
    store: Any, runtime: Runtime, change: Callable[[TextNode], object]
) -> None:
    engine = engine_for(store, runtime)
    nodes = make_nodes(2, document="new", start=1)
    before = rows(store)
    scope, _ = ahead(
        runtime, engine, lambda scope: [ingestion_call(engine, store, nodes, scope)], Op.INGESTION
    )
    change(nodes[0])
    with entered(scope):
        store.add(nodes)
    got = rows(store)[len(before) :]
    store.clear()
    store.add(nodes)
    assert got == rows(store)


@pytest.mark.real
def test_a_write_that_the_original_never_makes_is_rolled_back(store: Any, runtime: Runtime) -> None:
    engine, before = engine_for(store, runtime), rows(store)
    scope, maker = ahead(
        runtime,
        engine,
        lambda scope: [ingestion_call(engine, store, make_nodes(3), scope)],
        Op.INGESTION,
    )
    scope.close()
    (staged,) = maker.results
    assert not staged.commit()
    assert rows(store) == before
    assert _open_transactions(store) == 0


def _open_transactions(store: Any) -> int:
    from sqlalchemy import text

    with store._engine.connect() as connection:
        return int(
            connection.execute(
                text(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()"
                )
            ).scalar_one()
        )


@pytest.mark.real
def test_a_server_killed_half_way_leaves_nothing_half_ingested(runtime: Runtime) -> None:
    from ayo_bridge.serving.postgres import EmbeddedPostgres

    with EmbeddedPostgres() as server:
        store = make_postgres_store(server, create_engine_kwargs={"pool_pre_ping": True})
        nodes = make_nodes(5)
        store.add(nodes[:1])
        engine = engine_for(store, runtime)
        scope, _ = ahead(
            runtime,
            engine,
            lambda scope: [ingestion_call(engine, store, nodes[1:], scope)],
            Op.INGESTION,
        )
        server._process.kill()  # type: ignore[union-attr]
        server._process.wait()  # type: ignore[union-attr]
        server.ensure()
        assert [row[0] for row in rows(store)] == ["doc-0"]
        with entered(scope):  # The staged rows are lost: the original writes them, once.
            assert store.add(nodes[1:]) == [node.node_id for node in nodes[1:]]
        assert [row[0] for row in rows(store)] == [node.node_id for node in nodes]
        scope.close()


@pytest.mark.real
def test_a_failing_staged_write_leaves_the_connection_free(store: Any) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    before = rows(store)
    wrong = make_nodes(2)
    wrong[1].embedding = [1.0]  # Another dimension than the table's.
    with pytest.raises(SQLAlchemyError):
        stage_add(store, wrong)
    assert rows(store) == before
    assert _open_transactions(store) == 0


@pytest.mark.real
def test_connections_that_commit_by_themselves_cannot_hold_a_write_back(
    postgres: "EmbeddedPostgres",
) -> None:
    from sqlalchemy import event

    store = make_postgres_store(postgres, create_engine_kwargs={"isolation_level": "AUTOCOMMIT"})
    store.add([])
    with pytest.raises(NotStagedError, match="commit every statement"):
        stage_add(store, make_nodes(1))
    assert rows(store) == []
    listened = make_postgres_store(postgres)
    listened.add([])
    event.listen(listened._engine, "begin", lambda connection: None)
    with pytest.raises(NotStagedError, match="listeners"):
        stage_add(listened, make_nodes(1))


@pytest.mark.real
def test_a_held_back_write_takes_no_connection_of_the_stores_pool(
    postgres: "EmbeddedPostgres",
) -> None:
    options = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 5}
    store = make_postgres_store(postgres, create_engine_kwargs=options)
    store.add(make_nodes(1))
    staged = stage_add(store, make_nodes(2, document="new"))
    assert store.query(make_query()).ids == ["doc-0"]
    staged.rollback()


def test_simple_store_stages_and_merges(simple: SimpleVectorStore, runtime: Runtime) -> None:
    engine = engine_for(simple, runtime)
    nodes = [*make_nodes(1), *make_nodes(3, document="new")]
    expected = SimpleVectorStore()
    expected.add(make_nodes(10))
    expected_ids = expected.add(nodes)
    before = own(simple.to_dict())
    scope, _ = ahead(
        runtime, engine, lambda scope: [ingestion_call(engine, simple, nodes, scope)], Op.INGESTION
    )
    assert simple.to_dict() == before
    with entered(scope):
        assert simple.add(nodes) == expected_ids
    assert simple.to_dict() == expected.to_dict()
    assert list(simple.data.embedding_dict) == list(expected.data.embedding_dict)
    assert outcomes(scope) == [Outcome.HIT]


def test_a_write_handed_over_is_committed_too(simple: SimpleVectorStore, runtime: Runtime) -> None:
    engine, nodes = engine_for(simple, runtime), make_nodes(2, document="new")
    scope = open_scope(runtime)
    call = ingestion_call(engine, simple, nodes, scope)
    assert isinstance(call.payload, Staged)
    scope.hand_over(call.key, call.payload.write())
    with entered(scope):
        assert simple.add(nodes) == ["new-0", "new-1"]
    assert scope.record.calls == []
    assert "new-1" in simple.data.embedding_dict


class _Slow:
    """A transaction whose write waits until it is told to go on."""

    def __init__(self) -> None:
        self.writing, self.go_on = threading.Event(), threading.Event()
        self.committed = self.released = 0

    def row(self, node: Any) -> tuple[Any, ...]:
        return (node,)

    def write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.writing.set()
        assert self.go_on.wait(DEADLINE)

    def alive(self) -> bool:
        return True

    def commit(self) -> None:
        self.committed += 1

    def release(self) -> None:
        self.released += 1


def test_a_rollback_during_the_write_does_not_wait_for_it() -> None:
    transaction = _Slow()
    staged = Staged(transaction, ["n"])
    writer = threading.Thread(target=staged.write)
    writer.start()
    assert transaction.writing.wait(DEADLINE)
    staged.rollback()
    assert transaction.released == 0
    transaction.go_on.set()
    writer.join(DEADLINE)
    assert transaction.released == 1
    assert not staged.commit()
    assert transaction.committed == 0


def test_a_write_given_up_before_it_began_never_begins() -> None:
    transaction = _Slow()
    staged = Staged(transaction, ["n"])
    staged.rollback()
    with pytest.raises(NotStagedError):
        staged.write()
    assert not transaction.writing.is_set()
    assert transaction.released == 0


def test_without_a_scope_stores_behave_as_ever(simple: SimpleVectorStore) -> None:
    assert simple.add(make_nodes(1, document="x")) == ["x-0"]
    assert asyncio.run(simple.async_add(make_nodes(1, document="y"))) == ["y-0"]
    assert len(simple.query(make_query()).ids or []) == 4
    assert asyncio.iscoroutinefunction(SimpleVectorStore.aquery)

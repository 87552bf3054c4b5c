"""Vector stores: searches taken from ahead, writes held back, on a real Postgres and in memory."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("llama_index.core")

from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    SimpleVectorStore,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode

from ayo_bridge.engines import Call, EngineKind
from ayo_bridge.graph import Graph, Op, Primitive, Template
from ayo_bridge.observe.record import CallRecord, Outcome
from ayo_bridge.profile import ProfileStore
from ayo_bridge.runahead import Plan, Scope, entered
from ayo_bridge.runtime import Runtime
from ayo_llamaindex.copies import own
from ayo_llamaindex.staging import NotStagedError, Staged
from ayo_llamaindex.stores import (
    BINDINGS,
    engine_for,
    ingestion_call,
    lift_store,
    search_call,
    stage_add,
)

if TYPE_CHECKING:
    from ayo_bridge.engines.postgres import EmbeddedPostgres

DEADLINE = 30.0
DIMENSIONS = 8
WORDS = ("ferry", "harbour", "island", "winter", "council")
_tables = itertools.count()


def vector(number: int) -> list[float]:
    return [((number * 37 + k * 11) % 23) / 7.0 + 0.1 for k in range(DIMENSIONS)]


def make_nodes(count: int, *, document: str = "doc", start: int = 0) -> list[TextNode]:
    return [
        TextNode(
            id_=f"{document}-{i}",
            text=f"The {WORDS[i % 5]} and the {WORDS[i % 3]}, number {i}: naïve 🚢",
            metadata={"page": i, "kind": WORDS[i % 2], "tags": ["a", "b"]},
            embedding=vector(i),
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)},
        )
        for i in range(start, start + count)
    ]


def make_query(number: int = 3, **changes: Any) -> VectorStoreQuery:
    return VectorStoreQuery(**{"query_embedding": vector(number), "similarity_top_k": 4, **changes})


FILTERS = MetadataFilters(
    filters=[
        MetadataFilter(key="kind", value="ferry"),
        MetadataFilter(key="page", value=3, operator=FilterOperator.GT),
    ],
    condition=FilterCondition.AND,
)


def content(result: VectorStoreQueryResult) -> tuple[Any, ...]:
    nodes = [] if result.nodes is None else [node.to_dict() for node in result.nodes]
    return (nodes, result.similarities, result.ids)


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


def make_postgres_store(server: "EmbeddedPostgres", **options: Any) -> Any:
    postgres = pytest.importorskip("llama_index.vector_stores.postgres")
    parts = server.dsn
    return postgres.PGVectorStore.from_params(
        host=parts.host,
        port=str(parts.port),
        database=parts.database,
        user=parts.user,
        password=parts.password,
        **{"table_name": f"stores_{next(_tables)}", "embed_dim": DIMENSIONS, **options},
    )


@pytest.fixture
def store(postgres: "EmbeddedPostgres") -> Iterator[Any]:
    made = make_postgres_store(postgres, hybrid_search=True)
    made.add(make_nodes(10))
    yield made
    asyncio.run(made.close())


def rows(store: Any) -> list[tuple[Any, ...]]:
    """All columns but the number that Postgres counts by itself, as Postgres prints them."""
    from sqlalchemy import text

    table = f"{store.schema_name}.data_{store.table_name}"
    with store._engine.connect() as connection:
        found = connection.execute(
            text(f"SELECT node_id, text, metadata_::text, embedding::text FROM {table} ORDER BY id")
        )
        return [tuple(row) for row in found]


def open_scope(runtime: Runtime, plan: Plan | None = None) -> Scope:
    plan = plan or Plan(Template(()), Graph([]), Graph([]))
    return Scope(runtime, plan, CallRecord("query", 0.0, plan.template, plan.p_graph, plan.e_graph))


class Ahead:
    """A maker of one primitive with the given calls."""

    def __init__(self) -> None:
        self.made: Sequence[Call] = ()
        self.results: list[Any] = []
        self.ended = threading.Event()

    def calls(self, primitive: Primitive, values: object, feed: object) -> Sequence[Call]:
        return self.made

    def outputs(self, primitive: Primitive, results: Sequence[object]) -> dict[str, object]:
        self.results = list(results)
        self.ended.set()
        return {"made": list(results)}


def ahead(
    runtime: Runtime, engine: str, make: Callable[[Scope], Sequence[Call]], op: Op = Op.SEARCHING
) -> tuple[Scope, Ahead]:
    """A scope in which calls run ahead; returns when they have ended."""
    primitive = Primitive("made", op, "c", engine, outputs=("made",))
    graph, maker = Graph([primitive]), Ahead()
    plan = Plan(Template(()), graph, graph, ahead=frozenset({"made"}), makers={("c", op): maker})
    scope = open_scope(runtime, plan)
    maker.made = make(scope)
    scope.start({})
    assert maker.ended.wait(DEADLINE)
    return scope, maker


def outcomes(scope: Scope) -> list[Outcome]:
    return [call.outcome for call in scope.record.calls]


# Searches.


QUERIES: list[dict[str, Any]] = [
    {},
    {"filters": FILTERS},
    {"mode": Mode.MMR, "mmr_threshold": 0.4},
    {"mode": Mode.HYBRID, "query_str": "ferry in winter", "sparse_top_k": 5},
    {"mode": Mode.HYBRID, "query_str": "ferry", "filters": FILTERS},
    {"mode": Mode.TEXT_SEARCH, "query_str": "council"},
]


@pytest.mark.real
@pytest.mark.parametrize("changes", QUERIES)
def test_a_search_made_ahead_is_what_the_original_would_have_found(
    store: Any, runtime: Runtime, changes: dict[str, Any]
) -> None:
    query = make_query(**changes)
    expected = store.query(query)
    engine = engine_for(store, runtime)
    scope, maker = ahead(runtime, engine, lambda _: [search_call(engine, store, query)])
    with entered(scope):
        got = store.query(make_query(**changes))
        again = store.query(make_query(**changes))
    assert content(got) == content(expected) == content(again)
    assert type(got) is type(expected)
    assert outcomes(scope) == [Outcome.HIT, Outcome.DIRECT]
    got.nodes[0].metadata["page"] = "changed"
    got.ids.clear()
    assert content(maker.results[0]) == content(expected)


@pytest.mark.real
@pytest.mark.parametrize("changes", QUERIES)
def test_an_awaited_search_takes_only_what_is_bit_equal(
    store: Any, runtime: Runtime, changes: dict[str, Any]
) -> None:
    query = make_query(**changes)
    engine = engine_for(store, runtime)

    async def main() -> None:
        expected = await store.aquery(query)
        call = None
        try:
            call = search_call(engine, store, query, awaited=True)
        except ValueError:
            assert query.mode is not Mode.DEFAULT
        # A search for the synchronous method is made ahead too: it must not be taken.
        calls = [call or search_call(engine, store, query)]
        scope, _ = ahead(runtime, engine, lambda _: calls)
        with entered(scope):
            got = await store.aquery(query)
        assert content(got) == content(expected)
        taken = [Outcome.HIT] if call else [Outcome.AHEAD, Outcome.DIRECT]
        assert outcomes(scope) == taken
        await store.close()

    asyncio.run(main())


@pytest.mark.real
def test_a_search_with_an_hnsw_index_is_equal_too(
    postgres: "EmbeddedPostgres", runtime: Runtime
) -> None:
    kwargs = {"hnsw_m": 8, "hnsw_ef_construction": 32, "hnsw_ef_search": 16}
    store = make_postgres_store(postgres, hnsw_kwargs=kwargs)
    store.add(make_nodes(60))
    query, engine = make_query(), engine_for(store, runtime)

    async def main() -> None:
        expected = await store.aquery(query, hnsw_ef_search=20)
        call = search_call(engine, store, query, {"hnsw_ef_search": 20}, awaited=True)
        scope, _ = ahead(runtime, engine, lambda _: [call])
        with entered(scope):
            got = await store.aquery(query, hnsw_ef_search=20)
        assert content(got) == content(expected)
        assert outcomes(scope) == [Outcome.HIT]
        await store.close()

    asyncio.run(main())


def test_simple_store_searches_ahead_sync_and_awaited(
    simple: SimpleVectorStore, runtime: Runtime
) -> None:
    query = make_query(filters=FILTERS)
    expected = simple.query(query)
    engine = engine_for(simple, runtime)
    calls = [search_call(engine, simple, query), search_call(engine, simple, query)]
    scope, _ = ahead(runtime, engine, lambda _: calls)
    with entered(scope):
        assert content(simple.query(query)) == content(expected)
        assert content(asyncio.run(simple.aquery(query))) == content(expected)
    assert outcomes(scope) == [Outcome.HIT, Outcome.HIT]
    assert scope.record.calls[0].kind is EngineKind.VECTOR_STORE


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.add(make_nodes(1, document="late")),
        lambda store: asyncio.run(store.async_add(make_nodes(1, document="late"))),
        lambda store: store.delete("doc"),
        lambda store: store.delete_nodes(["doc-1"]),
        lambda store: store.clear(),
        lambda store: asyncio.run(store.adelete("doc")),
        lambda store: store.data.embedding_dict.pop("doc-1"),
    ],
)
@pytest.mark.parametrize("in_scope", [True, False])
def test_a_result_found_before_a_write_is_not_taken_after_it(
    simple: SimpleVectorStore,
    runtime: Runtime,
    write: Callable[[SimpleVectorStore], object],
    in_scope: bool,
) -> None:
    engine = engine_for(simple, runtime)
    query = make_query(1)
    scope, _ = ahead(runtime, engine, lambda _: [search_call(engine, simple, query)])
    with entered(scope if in_scope else None):
        write(simple)
    with entered(scope):
        got = simple.query(query)
    assert content(got) == content(simple.query(query))
    assert outcomes(scope)[0] is Outcome.AHEAD
    scope.close()
    assert outcomes(scope)[0] is Outcome.WASTED


@pytest.mark.real
def test_a_write_through_another_store_object_counts(
    postgres: "EmbeddedPostgres", store: Any, runtime: Runtime
) -> None:
    engine, query = engine_for(store, runtime), make_query()
    scope, _ = ahead(runtime, engine, lambda _: [search_call(engine, store, query)])
    other = make_postgres_store(postgres, table_name=store.table_name, hybrid_search=True)
    asyncio.run(_clear(other))
    with entered(scope):
        assert store.query(query).ids == []


async def _clear(store: Any) -> None:
    await store.aclear()
    await store.close()


def test_a_search_begun_during_a_write_is_never_taken(
    simple: SimpleVectorStore, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_for(simple, runtime)
    query = make_query()
    keys = []

    class Node(TextNode):
        def get_embedding(self) -> list[float]:
            keys.append(search_call(engine, simple, query).key)
            keys.append(search_call(engine, simple, query).key)
            return vector(1)

    search_call(engine, simple, query)
    simple.add([Node(id_="n", text="t")])
    keys.append(search_call(engine, simple, query).key)
    assert len(set(keys)) == 3


def test_a_failed_search_ahead_leaves_it_to_the_original(
    simple: SimpleVectorStore, runtime: Runtime
) -> None:
    engine = engine_for(simple, runtime)
    query = make_query(mode=Mode.HYBRID)
    scope = open_scope(runtime)
    with entered(scope), pytest.raises(ValueError, match="Invalid query mode"):
        simple.query(query)
    assert scope.record.calls[0].error
    assert search_call(engine, simple, query).group is None


def test_different_requests_have_different_keys(
    simple: SimpleVectorStore, runtime: Runtime
) -> None:
    engine = engine_for(simple, runtime)
    variants: list[dict[str, Any]] = [
        {},
        {"query_embedding": vector(4)},
        {"similarity_top_k": 5},
        {"filters": FILTERS},
        {"node_ids": ["doc-1"]},
        {"doc_ids": ["doc-1"]},
        {"query_str": "x"},
        {"alpha": 0.5},
        {"mode": Mode.MMR},
    ]
    keys = {search_call(engine, simple, make_query(**changes)).key for changes in variants}
    keys.add(search_call(engine, simple, make_query(), {"mmr_threshold": 0.5}).key)
    assert len(keys) == len(variants) + 1
    with pytest.raises(ValueError, match="without identity"):
        search_call(engine, simple, make_query(), {"x": object()})


def test_the_search_made_ahead_has_arguments_of_its_own(
    simple: SimpleVectorStore, runtime: Runtime
) -> None:
    engine = engine_for(simple, runtime)
    query = make_query(node_ids=["doc-1", "doc-2"])
    call = search_call(engine, simple, query)
    query.node_ids.clear()
    query.query_embedding[0] = 9.0
    scope, maker = ahead(runtime, engine, lambda _: [call])
    assert sorted(maker.results[0].ids) == ["doc-1", "doc-2"]
    scope.close()


# What is lifted.


def test_unknown_patched_and_unconnected_stores_say_why(
    simple: SimpleVectorStore, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lift_store(simple, runtime).reason is None
    assert lift_store(simple, runtime).engine.startswith("vector_store:SimpleVectorStore")

    class Own(SimpleVectorStore):
        pass

    assert "not a known vector store" in (lift_store(Own(), runtime).reason or "")
    monkeypatch.setattr(SimpleVectorStore, "query", lambda self, query: None)
    assert "replaced" in (lift_store(simple, runtime).reason or "")


@pytest.mark.real
def test_a_postgres_store_is_lifted_once_it_is_connected(
    postgres: "EmbeddedPostgres", runtime: Runtime
) -> None:
    store = make_postgres_store(postgres)
    assert "not connected yet" in (lift_store(store, runtime).reason or "")
    store.add(make_nodes(1))
    assert lift_store(store, runtime).reason is None
    changed = make_postgres_store(postgres, customize_query_fn=lambda stmt, *_, **__: stmt)
    changed.add(make_nodes(1))
    assert "function of the user's" in (lift_store(changed, runtime).reason or "")
    with pytest.raises(NotStagedError, match="sets itself up"):
        stage_add(make_postgres_store(postgres), make_nodes(1))


# Writes.


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
    from ayo_bridge.engines.postgres import EmbeddedPostgres

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

"""Searches of vector stores taken from ahead, on a real Postgres and in memory."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import (
    SimpleVectorStore,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode as Mode

from ayo_bridge.lift.staging import NotStagedError
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import EngineKind, Outcome, entered
from ayo_llamaindex.stores import (
    engine_for,
    lift_store,
    search_call,
    stage_add,
)
from tests.adapters.llamaindex.stores import (
    FILTERS,
    ahead,
    content,
    make_nodes,
    make_postgres_store,
    make_query,
    outcomes,
    vector,
)
from tests.scopes import open_scope

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres

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
    assert query.node_ids
    assert query.query_embedding
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

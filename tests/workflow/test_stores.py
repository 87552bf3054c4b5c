"""Vector stores of native workflows: in memory, and Postgres with pgvector."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from ayo_bridge.errors import PrimitiveError
from ayo_bridge.graph import Indexing, Searching
from ayo_bridge.seam import AsyncEngine, Call
from ayo_bridge.workflow import App, Embed, Embedded, Ingest, Search
from ayo_bridge.workflow.engines import MemoryStore, PgVectorStore
from tests.workflow.engines import digest

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres

Store = MemoryStore | PgVectorStore
WORDS = ("rain", "snow", "wind", "frost")
INDEX = Indexing(name="index", embedding="words", store="store")
FIND = Searching(name="find", embedding="words", store="store", top_k=2)


class Words(AsyncEngine):
    """Embeds a text by how often each of a few words is in it."""

    def __init__(self) -> None:
        from ayo_bridge.seam import EngineKind, Limits

        self.name, self.kind, self.limits = "words", EngineKind.EMBEDDING, Limits(max_items=3)

    async def serve(self, call: Call) -> list[list[float]]:
        assert isinstance(call.payload, Embed)
        return [vector(text) for text in call.payload.texts]


def vector(text: str) -> list[float]:
    return [float(text.count(word)) for word in WORDS] + [0.1]


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.real)])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., Store]]:
    """Makes stores; those of one test that are shared see the same table."""
    if request.param == "memory":
        yield lambda **options: MemoryStore("store", **options)
        return
    import psycopg

    server: EmbeddedPostgres = request.getfixturevalue("postgres")
    table = f"native_{digest(request.node.name)}"
    yield lambda **options: PgVectorStore(
        "store", lambda: psycopg.connect(server.url), table=table, **options
    )
    with psycopg.connect(server.url) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {table}")


async def test_a_query_finds_what_it_has_brought_and_nothing_else(
    make: Callable[..., Store],
) -> None:
    mine = [f"{word} {i}" for word in WORDS for i in range(4)]
    other = ["rain and snow", "rain and wind", "only rain"]
    async with App() as app:
        app.register(Words())
        app.register(make())
        submitted = [
            app.submit({"question": "rain", "documents": documents}, INDEX >> FIND)
            for documents in (mine, other)
        ]
        first, second = await asyncio.gather(*submitted)
    # Equal scores keep the order in which they were stored, though it came in stages.
    assert first["find.hits"] == ["rain 0", "rain 1"]
    assert second["find.hits"] == ["only rain", "rain and snow"]
    assert len(first["index.stored"]) == 16  # type: ignore[arg-type]


async def test_what_a_query_has_brought_is_forgotten_when_it_ends(
    make: Callable[..., Store],
) -> None:
    store = make()
    async with App() as app:
        app.register(Words())
        app.register(store)
        await app.submit({"question": "rain", "documents": ["rain"]}, INDEX >> FIND)
        with pytest.raises(TimeoutError):
            await app.submit({"documents": ["rain"] * 30}, INDEX, timeout=0.0)
        await asyncio.sleep(0.2)
        assert count(store) == 0


async def test_a_shared_store_keeps_what_queries_bring_for_all(make: Callable[..., Store]) -> None:
    store = make(shared=True)
    async with App() as app:
        app.register(Words())
        app.register(store)
        await app.submit({"documents": ["rain", "snow", "wind", "frost"]}, INDEX)
        found = await app.submit({"question": "snow in the wind"}, FIND)
    assert found["find.hits"] == ["snow", "wind"]


async def test_searching_where_nothing_was_stored_finds_nothing(make: Callable[..., Store]) -> None:
    async with App() as app:
        app.register(Words())
        app.register(make())
        assert (await app.submit({"question": "rain"}, FIND)).output == []


async def test_a_store_wants_vectors(make: Callable[..., Store]) -> None:
    async with App() as app:
        app.register(make())
        bare = Indexing(name="index", embedding="", store="store")
        with pytest.raises(PrimitiveError, match=r"index.ingest.*takes vectors"):
            await app.submit({"documents": ["rain"]}, bare)


async def test_a_database_that_is_not_there_is_an_error_of_the_primitive() -> None:
    import psycopg

    store = PgVectorStore("store", lambda: psycopg.connect("host=127.0.0.1 port=9"))
    async with App() as app:
        app.register(Words())
        app.register(store)
        with pytest.raises(PrimitiveError, match=r"'index.ingest'.*'store'.*OperationalError"):
            await app.submit({"documents": ["rain"]}, INDEX)


@pytest.mark.real
def test_searches_of_many_queries_are_one_statement_with_the_same_hits(
    postgres: "EmbeddedPostgres",
) -> None:
    import psycopg

    statements: list[str] = []

    class Connection(psycopg.Connection[tuple[object, ...]]):
        def execute(self, query: object, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            statements.append(str(query))
            return super().execute(query, *args, **kwargs)  # type: ignore[call-overload]

    store = PgVectorStore("store", lambda: Connection.connect(postgres.url), table="native_fused")
    texts = [f"{word} {'rain ' * i}" for word in WORDS for i in range(5)]
    for query in (1, 2):
        items = tuple(Embedded(text, vector(text)) for text in texts[query * 4 :])
        store.run([Call("store", query, Ingest(items, query))])
    searches = [
        Call("store", i, Search((Embedded(text, vector(text)),), i + 1, 1 + i % 2))
        for i, text in enumerate(texts)
    ]
    alone = [store.run([call])[0] for call in searches]
    before = len(statements)
    assert store.run(searches) == alone
    assert len(statements) == before + 1
    assert [len(hits[0]) for hits in alone[:3]] == [1, 2, 3]  # type: ignore[index]
    store._close()


@pytest.mark.real
def test_rows_stored_after_their_query_has_ended_are_deleted(postgres: "EmbeddedPostgres") -> None:
    import psycopg

    store = PgVectorStore("store", lambda: psycopg.connect(postgres.url), table="native_late")
    rows = Ingest((Embedded("rain", vector("rain")),), 5)
    store.run([Call("store", 1, rows)])
    assert count(store) == 1
    ended = threading.Thread(target=store._drop, args=(5,))
    ended.start()
    ended.join()
    assert count(store) == 0
    store.run([Call("store", 2, rows)])
    assert count(store) == 0
    store._close()


def test_the_name_of_a_table_is_no_place_for_sql() -> None:
    with pytest.raises(ValueError, match="not the name"):
        PgVectorStore("store", lambda: None, table="a; DROP TABLE b")


def count(store: Store) -> int:
    if isinstance(store, MemoryStore):
        return len(store)
    ((rows,),) = store._execute("SELECT count(*) FROM {table}", [])
    return int(rows)

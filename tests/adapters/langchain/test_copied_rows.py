"""Rows that an accelerated call copies into LangChain's Postgres store are those it inserts."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_postgres import PGEngine, PGVectorStore
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from ayo_bridge import accelerate
from ayo_bridge.runtime import Runtime
from ayo_langchain import ingestion
from ayo_langchain.store_rows import PG_TABLES

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres

COUNT = 20
_tables = itertools.count()
pytestmark = pytest.mark.real


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows were copied, call by call; a COPY that was refused counts none."""
    counted: list[int] = []
    copied = ingestion.copied

    async def count(store: Any, given: Any) -> bool:
        done = await copied(store, given)
        counted.append(len(given.ids) if done else 0)
        return done

    monkeypatch.setattr(ingestion, "copied", count)
    return counted


class Tables:
    """Stores of a database, each with a table of its own."""

    def __init__(self, postgres: "EmbeddedPostgres", driver: str) -> None:
        self.engine = PGEngine.from_connection_string(_url(postgres, driver))
        self._reader = create_engine(_url(postgres, "psycopg"))

    def store(self, **options: Any) -> PGVectorStore:
        name = f"lc_{next(_tables)}"
        self.engine.init_vectorstore_table(name, 8, **options)
        return PGVectorStore.create_sync(self.engine, DeterministicFakeEmbedding(size=8), name)

    def run(self, store: PGVectorStore, statement: str) -> list[Any]:
        with self._reader.begin() as connection:
            found = connection.execute(text(statement.format(_name(store))))
            return [tuple(row) for row in found] if found.returns_rows else []

    def rows(self, store: PGVectorStore) -> list[Any]:
        return self.run(
            store,
            "SELECT langchain_id, content, embedding::text, langchain_metadata::text FROM {} "
            "ORDER BY ctid",
        )

    def close(self) -> None:
        self.engine._run_as_sync(self.engine._pool.dispose())
        self._reader.dispose()


def _url(postgres: "EmbeddedPostgres", driver: str) -> str:
    return postgres.url.replace("postgresql://", f"postgresql+{driver}://", 1)


def _name(store: PGVectorStore) -> str:
    return str(store._PGVectorStore__vs.table_name)  # type: ignore[attr-defined]


@pytest.fixture(params=["asyncpg", "psycopg"])
def tables(postgres: "EmbeddedPostgres", request: pytest.FixtureRequest) -> Iterator[Tables]:
    made = Tables(postgres, request.param)
    yield made
    made.close()


def documents(count: int = COUNT) -> list[Document]:
    return [
        Document(
            id=f"00000000-0000-4000-8000-{number:012x}",
            page_content=f"part {number}, é",
            metadata={"n": number, "quoted": 'a "b" \\ c', "nested": {"none": None}},
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("options", [{}, {"id_column": "langchain_id", "store_metadata": False}])
def test_copied_rows_are_those_of_the_store(
    tables: Tables, runtime: Runtime, copies: list[int], options: dict[str, Any]
) -> None:
    plain, fast = tables.store(**options), tables.store(**options)
    add = accelerate(fast.add_documents, runtime=runtime)
    for _ in range(2):  # The second time each row is there, and is written over.
        assert plain.add_documents(documents()) == add(documents())
    columns = "SELECT *, embedding::text FROM {} ORDER BY ctid"
    assert tables.run(fast, columns) == tables.run(plain, columns)
    assert copies == [COUNT, 0]


def test_rows_without_an_id_get_one(tables: Tables, runtime: Runtime, copies: list[int]) -> None:
    store = tables.store()
    add = accelerate(store.add_texts, runtime=runtime)
    ids = add([f"text {number}" for number in range(COUNT)])
    assert [str(row[0]) for row in tables.rows(store)] == ids
    assert copies == [COUNT]


def test_rows_that_are_copied_are_a_write_to_their_table(
    tables: Tables, runtime: Runtime, copies: list[int]
) -> None:
    store = tables.store()
    inner = store._PGVectorStore__vs  # type: ignore[attr-defined]
    before = PG_TABLES.moment(inner)
    texts = [f"text {number}" for number in range(COUNT)]
    vectors = [[float(number)] * 8 for number in range(COUNT)]
    accelerate(store.add_embeddings, runtime=runtime)(texts, vectors)
    assert copies == [COUNT]
    assert PG_TABLES.moment(inner) != before


def test_a_row_that_is_refused_is_refused_as_in_the_original(
    tables: Tables, runtime: Runtime, copies: list[int]
) -> None:
    plain, fast = tables.store(), tables.store()
    given = documents()
    given[12].page_content = "no \x00 in Postgres"
    with pytest.raises(Exception) as expected:  # noqa: PT011
        plain.add_documents(given)
    with pytest.raises(type(expected.value)):
        accelerate(fast.add_documents, runtime=runtime)(given)
    assert tables.rows(fast) == tables.rows(plain)
    assert len(tables.rows(fast)) == 12
    assert copies == [0]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE {} ADD COLUMN made timestamptz DEFAULT now()",
        "ALTER TABLE {} ALTER COLUMN langchain_id TYPE varchar(36)",
        "ALTER TABLE {} ENABLE ROW LEVEL SECURITY",
        "CREATE RULE also AS ON INSERT TO {} DO ALSO SELECT 1",
    ],
)
def test_a_table_that_does_more_than_store_is_left_to_the_original(
    tables: Tables, runtime: Runtime, copies: list[int], change: str
) -> None:
    store = tables.store()
    tables.run(store, change)
    with suppress(DBAPIError):  # Where there is a rule Postgres refuses.
        accelerate(store.add_documents, runtime=runtime)(documents())
    assert copies == [COUNT if "varchar" in change else 0]


def test_indexing_leaves_the_rows_and_the_records_of_the_original(
    tables: Tables, runtime: Runtime, copies: list[int]
) -> None:
    results = []
    for arm in (index, accelerate(index, runtime=runtime)):
        store, records = tables.store(id_column="langchain_id"), InMemoryRecordManager("n")
        records.create_schema()
        seen = []
        for given in (documents(), documents(COUNT + 30)[5:]):
            seen.append(
                arm(
                    given,
                    records,
                    store,
                    batch_size=10,
                    cleanup="full",
                    key_encoder=lambda document: str(document.id),
                )
            )
        keys = sorted((key, record["group_id"]) for key, record in records.records.items())
        results.append((seen, tables.rows(store), keys))
    assert results[0] == results[1]
    assert copies == [10, 10, 5, 10, 10, 5]  # Those that are known are not added.

"""Rows of a ``PGVectorStore`` of LangChain, written by binary COPY in one transaction.

``aadd_embeddings`` borrows a connection, inserts and commits for each row. Of what it has written
when it is interrupted there are the first so many rows: none of them, or all, are two such states.
Where rows are there already, or Postgres does more than to store them (triggers, rules, policies,
columns that it fills in), or refuses them, nothing is left of the copy and the original writes.
Written for langchain-postgres 0.0.19.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.engines import postgres_binary as binary
from ayo_bridge.lift.writes import clock_of
from ayo_bridge.seam import current_scope
from ayo_langchain.known import differs
from ayo_langchain.store_rows import PG_TABLES

LEAST: Final = 4
"""Fewer rows are inserted as fast."""
_MODULE: Final = "langchain_postgres.v2.async_vectorstore"
_TEXTS: Final = ("text", "character varying")
_COLUMNS: Final = """
SELECT a.attname::text, format_type(a.atttypid, NULL), a.atthasdef OR a.attidentity <> '',
    EXISTS (
        SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate
        AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = 1
        AND i.indkey[0] = a.attnum
    ),
    c.relkind::text = 'r' AND NOT (c.relhastriggers OR c.relhasrules OR c.relrowsecurity)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.oid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
"""
_logger: Final = logging.getLogger(__name__)


class _Given(NamedTuple):
    """What ``aadd_embeddings`` is given, with an id for each row."""

    texts: Sequence[str]
    embeddings: Sequence[Any]
    metadatas: Sequence[Any]
    ids: list[Any]


def _given(
    texts: Any, embeddings: Any, metadatas: Any = None, ids: Any = None, **_: Any
) -> _Given | None:
    """Ids are made as the original makes them; ``None``: it has to see to this itself."""
    sized = all(isinstance(each, list | tuple) for each in (texts, embeddings, metadatas or []))
    if not sized or not isinstance(ids or [], list | tuple):
        return None
    filled = [str(uuid.uuid4()) if each is None else each for each in ids or [None] * len(texts)]
    given = _Given(texts, embeddings, metadatas or [{} for _ in texts], filled)
    return given if len({len(each) for each in given}) == 1 else None


async def _add(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wraps ``aadd_embeddings``: inside of an accelerated call rows are copied."""
    scope = current_scope()
    if scope is None:
        return await wrapped(*args, **kwargs)
    scope.touches(f"a {type(instance).__name__} is written to")
    if _unready(instance):
        return await wrapped(*args, **kwargs)
    try:
        given = _given(*args, **kwargs)
    except TypeError:  # The original says so.
        given = None
    if given is None or len(given.ids) < LEAST:
        return await wrapped(*args, **kwargs)
    # Whoever counts the writes to this table wraps the same method, perhaps inside of this.
    with clock_of((PG_TABLES.library, PG_TABLES.place(instance))).writing():
        done = await copied(instance, given)
    if done:
        scope.helps("rows were copied")
        return given.ids
    rest = {name: value for name, value in kwargs.items() if name not in _Given._fields}
    return await wrapped(*given, **rest)


def _unready(store: Any) -> bool:
    """Whether it writes otherwise, or somebody may listen to its connections."""
    from langchain_postgres.v2.async_vectorstore import AsyncPGVectorStore

    if differs(store, AsyncPGVectorStore, "aadd_embeddings") or store.metadata_columns:
        return True
    if store.hybrid_search_config or hasattr(
        store.embedding_service, "embed_query_inline_template"
    ):
        return True
    engine = store.engine.sync_engine
    heard = (engine.pool.dispatch.checkout, engine.pool.dispatch.checkin, engine._has_events)
    return any(map(bool, heard)) or engine.echo or bool(engine.get_execution_options())


async def copied(store: Any, given: _Given) -> bool:
    """Write all rows; ``False``: nothing was written.

    Raises:
        Exception: the commit failed.
    """
    copy = _COPIES.get(store.engine.driver)
    if copy is None or len(set(map(str, given.ids))) < len(given.ids):
        return False
    async with store.engine.connect() as connection:
        try:
            plan = await _plan(store, connection)
            if plan is None or await plan.finds(connection, given.ids):
                return False
            raw = await connection.get_raw_connection()
            await copy(raw.driver_connection, plan, plan.pieces(given))
        except Exception as error:  # The original says what is wrong with its rows, if anything is.
            _logger.debug("rows are inserted, not copied: %r", error)
            return False
        await connection.commit()
    return True


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the rows of one table are written.

    Args:
        schema, table: its name.
        columns: those that are written: of the id, the text, the vector, the metadata, if any.
        id_type: of Postgres.
        jsonb: whether metadata are ``jsonb``.
    """

    schema: str
    table: str
    columns: tuple[str, ...]
    id_type: str
    jsonb: bool

    @property
    def name(self) -> str:
        """Of the table, quoted."""
        return f'"{self.schema}"."{self.table}"'

    async def finds(self, connection: Any, ids: Sequence[Any]) -> bool:
        """Whether one of the rows is there: it is to be written over."""
        from sqlalchemy import text

        wanted = f"CAST(:ids AS {self.id_type}[])"
        found = (
            f'SELECT EXISTS (SELECT 1 FROM {self.name} WHERE "{self.columns[0]}" = ANY({wanted}))'
        )
        return bool((await connection.execute(text(found), {"ids": list(ids)})).scalar())

    def pieces(self, given: _Given) -> Iterator[bytes]:
        """The data of the COPY."""
        return binary.rows(map(self._row, *given))

    def _row(self, text: str, embedding: Any, metadata: Any, id: str) -> tuple[bytes, ...]:
        row = (self._id(id), binary.text(text), binary.vector(list(map(float, embedding))))
        if len(self.columns) == len(row):
            return row
        written = json.dumps(metadata)
        return (*row, binary.jsonb(written) if self.jsonb else binary.text(written))

    def _id(self, id: str) -> bytes:
        if self.id_type != "uuid":
            return binary.text(id)
        made = uuid.UUID(id)
        if str(made) != id:
            raise ValueError("Postgres reads this id in its own way")
        return made.bytes


async def _plan(store: Any, connection: Any) -> _Plan | None:
    """How rows are copied; ``None``: more than that is done for them, or it cannot be told."""
    from sqlalchemy import text

    names = (store.id_column, store.content_column, store.embedding_column)
    written = tuple(filter(None, (*names, store.metadata_json_column)))
    if any('"' in name for name in (*written, store.schema_name, store.table_name)):
        return None
    name = f'"{store.schema_name}"."{store.table_name}"'
    found = (await connection.execute(text(_COLUMNS), {"name": name})).all()
    types = {column: kind for column, kind, *_ in found}
    plain = all(simple and not filled_in for *_, filled_in, _, simple in found)
    unique = any(column == store.id_column and alone for column, _, _, alone, _ in found)
    if not plain or not unique or not types.keys() >= set(written):
        return None
    id_type, content, vector, *metadata = (types[column] for column in written)
    if id_type not in ("uuid", *_TEXTS) or content not in _TEXTS or vector != "vector":
        return None
    if metadata and metadata[0] not in ("json", "jsonb"):
        return None
    return _Plan(store.schema_name, store.table_name, written, id_type, metadata == ["jsonb"])


async def _by_asyncpg(connection: Any, plan: _Plan, pieces: Iterator[bytes]) -> None:
    async def source() -> Any:
        for piece in pieces:
            yield piece

    await connection.copy_to_table(
        plan.table,
        schema_name=plan.schema,
        columns=plan.columns,
        format="binary",
        source=source(),
    )


async def _by_psycopg(connection: Any, plan: _Plan, pieces: Iterator[bytes]) -> None:
    columns = ", ".join(f'"{name}"' for name in plan.columns)
    statement = f"COPY {plan.name} ({columns}) FROM STDIN (FORMAT BINARY)"
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in pieces:
            await copy.write(piece)


_COPIES: Final[Mapping[str, Callable[..., Any]]] = {
    "asyncpg": _by_asyncpg,
    "psycopg": _by_psycopg,
    "psycopg_async": _by_psycopg,
}

WRITES: Final = Binding(
    "rows of LangChain's Postgres store",
    "langchain-postgres",
    ("0.0.16", "0.1"),
    (Target(_MODULE, "AsyncPGVectorStore.aadd_embeddings", _add),),
)

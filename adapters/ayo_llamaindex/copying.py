"""Rows of a ``PGVectorStore`` written by binary COPY: those that its ``add`` writes, in one go.

Formatting vectors and metadata as parameters of INSERT is most of what ``add`` costs. COPY fires
the same triggers, takes the same defaults in the same order, and is one transaction as ``add`` is.
Where it cannot be used, or Postgres refuses it, nothing is left of it and the original writes.
Written for llama-index-vector-stores-postgres 0.9.0.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ayo_bridge.engines import postgres_binary as binary

LEAST: Final = 16
"""Fewer rows are inserted as fast."""
_COLUMNS: Final = ("node_id", "text", "metadata_", "embedding")
_OF_ROWS: Final = ("before_insert", "after_insert")
_OF_SESSIONS: Final = (
    *("after_begin", "before_flush", "after_flush", "after_flush_postexec"),
    *("before_commit", "after_commit", "before_attach", "after_attach"),
)
_logger: Final = logging.getLogger(__name__)


def copied(store: Any, nodes: Sequence[Any]) -> bool:
    """Write all rows of ``store.add(nodes)``; ``False``: nothing was written.

    Raises:
        Exception: the commit failed, as that of ``add`` would have.
    """
    plan = _plan(store, nodes, "_engine", "psycopg2")
    if plan is None:
        return False
    with store._session() as session:
        if _is_heard(session, store._table_class):
            return False
        try:
            session.begin()
            raw = session.connection().connection.dbapi_connection
            if getattr(raw, "autocommit", True):
                return False
            with raw.cursor() as cursor:
                cursor.copy_expert(
                    plan.statement, binary.Readable(plan.pieces(nodes)), binary.CHUNK
                )
        except Exception as error:
            _refused(error)
            session.rollback()
            return False
        session.commit()
    return True


async def acopied(store: Any, nodes: Sequence[Any]) -> bool:
    """Like :func:`copied`, by the store's asynchronous engine."""
    plan = _plan(store, nodes, "_async_engine", "asyncpg")
    if plan is None:
        return False
    from sqlalchemy import text

    async with store._async_session() as session:
        if _is_heard(session.sync_session, store._table_class):
            return False
        try:
            await session.begin()
            await session.execute(text("SELECT 1"))  # Only a statement begins the transaction.
            raw = await (await session.connection()).get_raw_connection()
            await raw.driver_connection.copy_to_table(
                plan.table.name,
                schema_name=plan.table.schema,
                columns=_COLUMNS,
                format="binary",
                source=_pieces(plan.pieces(nodes)),
            )
        except Exception as error:
            _refused(error)
            await session.rollback()
            return False
        await session.commit()
    return True


async def _pieces(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _refused(error: Exception) -> None:
    """The original says what is wrong with its rows, if anything is."""
    _logger.debug("rows are inserted, not copied: %r", error)


class _Row(NamedTuple):
    """What a row is made of."""

    node_id: str
    embedding: Any
    text: str
    metadata_: Any


@dataclass(frozen=True, slots=True)
class _Rows:
    """Stands for a store whose rows are no objects of SQLAlchemy: these take longer to make."""

    _table_class: type[_Row]
    flat_metadata: bool


class _Plan:
    """How the rows of one store are written."""

    def __init__(self, store: Any, dialect: Any) -> None:
        self.table = store._table_class.__table__
        quoted = dialect.identifier_preparer
        names = ", ".join(quoted.quote(name) for name in _COLUMNS)
        self.statement = (
            f"COPY {quoted.format_table(self.table)} ({names}) FROM STDIN (FORMAT BINARY)"
        )
        self._rows = _Rows(_Row, store.flat_metadata)
        self._make = type(store)._node_to_table_row
        self._to_json: Callable[[Any], str] = dialect._json_serializer or json.dumps
        self._json = binary.jsonb if store.use_jsonb else binary.text

    def pieces(self, nodes: Sequence[Any]) -> Iterator[bytes]:
        """The data of the COPY."""
        return binary.rows(map(self._row, nodes))

    def _row(self, node: Any) -> tuple[bytes, ...]:
        made = self._make(self._rows, node)
        return (
            binary.text(made.node_id),
            binary.text(made.text),
            self._json(self._to_json(made.metadata_)),
            binary.vector(made.embedding),
        )


def _plan(store: Any, nodes: Sequence[Any], engine_name: str, driver: str) -> _Plan | None:
    """How nodes are copied; ``None``: as ``add`` does it, it is known to be the same."""
    if len(nodes) < LEAST or store.use_halfvec:
        return None
    store._initialize()
    engine = getattr(store, engine_name)
    engine = getattr(engine, "sync_engine", engine)
    if engine.driver != driver or engine.echo or getattr(engine, "_has_events", False):
        return None
    if _changes_types(engine):
        return None
    return _Plan(store, engine.dialect)


def _is_heard(session: Any, table_class: Any) -> bool:
    """Whether somebody listens to sessions, or to rows that are written."""
    of_rows, of_session = table_class.__mapper__.dispatch, session.dispatch
    if len(table_class._sa_class_manager.dispatch.init) > 1:  # One is SQLAlchemy's own.
        return True
    if any(bool(getattr(table_class, name).dispatch.set) for name in _COLUMNS):
        return True
    return any(
        bool(getattr(dispatch, name, None))
        for dispatch, names in ((of_rows, _OF_ROWS), (of_session, _OF_SESSIONS))
        for name in names
    )


def _changes_types(engine: Any) -> bool:
    """Whether statements are changed on their way."""
    return bool(engine.get_execution_options())

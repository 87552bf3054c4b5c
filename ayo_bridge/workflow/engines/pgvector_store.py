"""A table of Postgres with pgvector as the vector store of native workflows."""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from ayo_bridge.seam import BatchEngine, Call, EngineKind, Limits
from ayo_bridge.workflow.engines.memory_store import require_vector
from ayo_bridge.workflow.requests import Ingest, Search

Connect = Callable[[], Any]
"""Opens a connection, e.g. ``lambda: psycopg.connect(url)``."""

_REMEMBERED: Final = 4096
"""Ended queries of which a batch may still be on its way in another thread."""

_MAKE = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS {table} (
    collection text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    text text NOT NULL,
    embedding vector({dimensions}) NOT NULL
);
CREATE INDEX IF NOT EXISTS {name}_by_collection ON {table} (collection, number);
"""
_INSERT = """
INSERT INTO {table} (collection, text, embedding)
SELECT %s, row.text, row.embedding::vector
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS row (text, embedding, place)
ORDER BY row.place
RETURNING number
"""
# One statement for the vectors of many queries. Rows of one collection are few: an exact scan.
_SEARCH = """
SELECT asked.place, hit.text
FROM unnest(%s::text[], %s::text[], %s::int[]) WITH ORDINALITY
    AS asked (collection, vector, top_k, place)
CROSS JOIN LATERAL (
    SELECT text, embedding <=> asked.vector::vector AS distance, number
    FROM {table} WHERE collection = asked.collection
    ORDER BY distance, number LIMIT nullif(asked.top_k, 0)
) AS hit
ORDER BY asked.place, hit.distance, hit.number
"""


class PgVectorStore(BatchEngine):
    """Serves :class:`Ingest` and :class:`Search`; an :class:`~ayo_bridge.engines.BatchEngine`.

    Searches of many queries are one statement. Every query sees what it has brought itself, and
    that is deleted when it ends; a ``shared`` store keeps everything for all of them.

    Args:
        name: the engine's name, as components refer to it.
        connect: opens a connection of psycopg; one is opened for each instance, one to delete.
        table: where texts and vectors are kept, as ``table`` or ``schema.table``; made when the
            first are stored.
        instances: how many batches run at once.
        max_items: the most rows or vectors in one batch (b*); ``None`` leaves it to the profile.
        shared: keep what queries bring.
    """

    kind = EngineKind.VECTOR_STORE

    def __init__(
        self,
        name: str,
        connect: Connect,
        *,
        table: str = "ayo_documents",
        instances: int = 2,
        max_items: int | None = None,
        shared: bool = False,
    ) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?", table):
            raise ValueError(f"not the name of a table: {table!r}")
        self.name = name
        self.limits = Limits(instances=instances, max_items=max_items)
        self.table = table
        self._connect = connect
        self._shared = shared
        self._run = uuid.uuid4().hex
        self._own = threading.local()
        self._lock = threading.Lock()
        self._connections: list[Any] = []
        self._made = False
        self._ended: OrderedDict[int, None] = OrderedDict()
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix=f"ayo-bridge {name} keeper")

    def run(self, calls: Sequence[Call]) -> list[object]:
        """Store, or search, for several queries at once."""
        requests = [call.payload for call in calls]
        if all(isinstance(request, Search) for request in requests):
            return self._search([request for request in requests if isinstance(request, Search)])
        return [self._ingest(request) for request in requests]

    async def release(self, query: int) -> None:
        """Delete what an ended query has brought."""
        if not self._shared:
            await self._kept(self._drop, query)

    async def aclose(self) -> None:
        """Delete what queries of this store have brought, and close the connections."""
        await self._kept(self._close)

    async def _kept(self, work: Callable[..., None], *values: int) -> None:
        await asyncio.get_running_loop().run_in_executor(self._keeper, work, *values)

    def _collection(self, query: int) -> str:
        return "shared" if self._shared else f"{self._run}:{query}"

    def _ingest(self, request: object) -> list[int]:
        if not isinstance(request, Ingest):
            raise TypeError(f"{self.name!r} serves no {type(request).__name__}")
        items = [require_vector(item, self.name) for item in request.items]
        vectors = [_literal(item.vector) for item in items]
        if not items:
            return []
        self._make(len(list(_numbers(items[0].vector))))
        texts = [item.text for item in items]
        rows = self._execute(_INSERT, [self._collection(request.query), texts, vectors])
        with self._lock:
            too_late = request.query in self._ended
        if too_late:  # It ended while this was under way, and has been deleted already.
            self._delete(request.query)
        return [number for (number,) in rows]

    def _search(self, requests: Sequence[Search]) -> list[object]:
        asked = [(r, require_vector(item, self.name)) for r in requests for item in r.items]
        hits: list[list[str]] = [[] for _ in asked]
        if asked and self._exists():
            rows = self._execute(
                _SEARCH,
                [
                    [self._collection(request.query) for request, _ in asked],
                    [_literal(item.vector) for _, item in asked],
                    [request.top_k for request, _ in asked],
                ],
            )
            for place, text in rows:
                hits[place - 1].append(text)
        found = iter(hits)
        return [[next(found) for _ in request.items] for request in requests]

    def _drop(self, query: int) -> None:
        with self._lock:
            self._ended[query] = None
            while len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)
        self._delete(query)

    def _delete(self, query: int) -> None:
        if self._made:
            self._execute("DELETE FROM {table} WHERE collection = %s", [self._collection(query)])

    def _close(self) -> None:
        if self._made and not self._shared:
            self._execute("DELETE FROM {table} WHERE collection LIKE %s", [f"{self._run}:%"])
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    def _make(self, dimensions: int) -> None:
        with self._lock:
            if self._made:
                return
            name = self.table.rpartition(".")[2]
            statement = _MAKE.format(table=self.table, name=name, dimensions=dimensions)
            connection = self._connection()
            with connection.transaction():
                # Two that make it at once would collide in the catalogue.
                connection.execute("SELECT pg_advisory_xact_lock(hashtext('ayo-bridge'))")
                connection.execute(statement)
            self._made = True

    def _exists(self) -> bool:
        if not self._made:
            ((found,),) = self._execute("SELECT to_regclass(%s) IS NOT NULL", [self.table])
            self._made = bool(found)
        return self._made

    def _execute(self, statement: str, values: Sequence[object]) -> list[Any]:
        cursor = self._connection().execute(statement.format(table=self.table), values)
        return list(cursor.fetchall()) if cursor.description is not None else []

    def _connection(self) -> Any:
        """The connection of this thread; another one if it broke."""
        connection = getattr(self._own, "connection", None)
        if connection is None or connection.closed:
            connection = self._own.connection = self._connect()
            connection.autocommit = True
            self._connections.append(connection)
        return connection


def _numbers(vector: object) -> Iterable[float]:
    return map(float, vector)  # type: ignore[call-overload, no-any-return]


def _literal(vector: object) -> str:
    return f"[{','.join(map(repr, _numbers(vector)))}]"

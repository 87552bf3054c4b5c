"""What a search of a vector store is: its request, and the moment of the store's last write."""

from __future__ import annotations

import json
from array import array
from collections.abc import Hashable, Mapping
from dataclasses import fields
from typing import Any, Final

from ayo_bridge.lift import stores
from ayo_bridge.lift.writes import clock_of

WITH_RANKS: Final = frozenset({"hybrid", "sparse", "text_search"})
"""Modes whose scores hold a ``real``: psycopg2 reads its shortest decimal, asyncpg its bits, so the
last digits of sync and async results differ."""


def search_key(
    engine: str,
    store: Any,
    query: Any,
    kwargs: Mapping[str, Any],
    awaited: bool,
    moment: Hashable = None,
) -> Hashable:
    """The key of a search; ``moment`` is the present one unless given.

    Raises:
        ValueError: the query has parts without identity.
    """
    parts: list[Hashable] = []
    for part in fields(query):
        value = getattr(query, part.name)
        if part.name == "query_embedding":
            value = None if value is None else array("d", value).tobytes()
        elif part.name == "filters":
            value = None if value is None else value.model_dump_json()
        elif isinstance(value, list):
            value = tuple(value)
        parts.append(value)
    try:
        extra = json.dumps(kwargs, sort_keys=True)
    except TypeError as error:
        raise ValueError(f"the search has arguments without identity: {error}") from error
    kind = "awaited" if awaited and query.mode.value in WITH_RANKS else "search"
    key = (engine, kind, moment or moment_of(store), tuple(parts), extra)
    try:
        hash(key)
    except TypeError as error:
        raise ValueError(f"the query has parts without identity: {error}") from error
    return key


def moment_of(store: Any) -> Hashable:
    """When the store was last written to, as far as this process can tell."""
    written = clock_of(written_by(store)).moment()
    if hasattr(store, "_engine"):
        return written
    # Its data are a public field: at least a changed number of entries is noticed.
    return (written, id(store.data), len(store.data.embedding_dict))


def written_by(store: Any) -> Hashable:
    """What a write to the store changes: its table, whatever object it is reached through."""
    if not hasattr(store, "_engine"):
        return stores.names.find(store)
    from sqlalchemy.engine import make_url

    url = store._engine.url if store._engine is not None else make_url(store.connection_string)
    place = (url.host, url.port, url.database, tuple(sorted(url.normalized_query.items())))
    return (*place, store.schema_name, store.table_name)

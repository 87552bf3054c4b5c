"""Vector stores of LlamaIndex as engines: searches made ahead, writes held back.

An ``add`` of the original commits the equal write that was staged, or runs as it would have.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target, unfollowed
from ayo_bridge.engines.originals import original
from ayo_bridge.lift import stores
from ayo_bridge.lift.copies import own
from ayo_bridge.lift.staging import NotStagedError, Staged, Transaction
from ayo_bridge.lift.store_writes import Writes
from ayo_bridge.seam import Call, EngineHome, Fields, FoundItem, Scope, current_scope
from ayo_llamaindex.copying import acopied, copied
from ayo_llamaindex.found_nodes import choice_of, chosen, item_of, items_of
from ayo_llamaindex.known import TESTED, differs
from ayo_llamaindex.search_keys import WITH_RANKS, moment_of, search_key, written_by
from ayo_llamaindex.store_rows import known
from ayo_llamaindex.transactions import PostgresTransaction, SimpleTransaction

_POSTGRES: Final = "llama_index.vector_stores.postgres.base"
_SIMPLE: Final = "llama_index.core.vector_stores.simple"
_QUERIED: Final = {
    "PGVectorStore": (
        "query",
        "aquery",
        "_initialize",
        "_build_query",
        "_build_sparse_query",
        "_build_query_with_embedding",
        "_apply_filters_and_limit",
        "_query_with_score",
        "_query_with_embedding",
        "_sparse_query_with_rank",
        "_hybrid_query",
        "_mmr_query",
        "_db_rows_to_query_result",
    ),
    "SimpleVectorStore": ("query", "aquery"),
}
_ADDED: Final = {
    "PGVectorStore": ("add", "async_add", "_initialize", "_node_to_table_row"),
    "SimpleVectorStore": ("add", "async_add"),
}


@dataclass(frozen=True, slots=True)
class LiftedStore:
    """A store's engine, and why its searches are not made ahead, if so."""

    engine: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """A search made ahead: the store's own synchronous ``query`` on arguments of its own."""

    store: Any
    query: Any
    kwargs: Mapping[str, Any]

    def run(self) -> object:
        """Search. Neither store emits an event or changes its arguments."""
        query = original(type(self.store), "query")
        return query(self.store, self.query, **self.kwargs)

    def identity(self, key: Hashable) -> Hashable:
        """The key of this very search, at the moment that ``key`` says."""
        match key:
            case (str(engine), _, moment, *_):
                return search_key(engine, self.store, self.query, self.kwargs, False, moment)
        return None

    def anew(self, key: Hashable) -> object | None:
        """What is found in a store in memory now, if nothing was written since."""
        match key:
            case (_, _, moment, *_) if not hasattr(self.store, "_engine"):
                if moment == moment_of(self.store):
                    found: object = self.store.query(own(self.query), **self.kwargs)
                    return found  # As anybody would find it.
        return None

    def found(self, result: Any) -> object:
        """Ids and scores of what was found."""
        return [list(result.ids or ()), list(result.similarities or ())]


SEARCHES_AT_ONCE: Final = 4
"""Fewer than the connections a Postgres store may open (5 and 10 more). In memory a search is
mostly Python, which one thread runs at a time: several end no later than one after another."""


# For the lifters.


def lift_store(store: Any, runtime: EngineHome, *, awaited: bool = False) -> LiftedStore:
    """Lift a vector store, or say why its searches are left to run as they are.

    ``awaited`` says that the original will call ``aquery``.
    """
    row = known(store)
    if row is not None:
        reason = (row.not_awaited if awaited else "") or row.refusal(store, differs)
        return LiftedStore("" if reason else row.engine(store, runtime), reason)
    engine = engine_for(store, runtime)
    binding = BINDINGS[0] if hasattr(store, "_engine") else BINDINGS[1]
    reason = _unknown(store, _QUERIED) or unfollowed([binding]) or _not_ready(store)
    return LiftedStore(engine, reason)


def engine_for(store: Any, runtime: EngineHome) -> str:
    """The name of a store's engine, e.g. ``vector_store:public.data_docs``; registered once."""
    return stores.engine_for(store, runtime, _readable, SEARCHES_AT_ONCE)


def search_call(
    engine_name: str,
    store: Any,
    query: Any,
    kwargs: Mapping[str, Any] | None = None,
    *,
    awaited: bool = False,
) -> Call:
    """The search that ``store.query(query, **kwargs)`` makes, with the very same key.

    ``awaited`` says that the original will call ``aquery``. The key holds the moment of the store's
    last write, so that a result found before a write is never taken after it.

    Raises:
        ValueError: the query has parts without identity, or its scores would not be bit-equal.
    """
    arguments = dict(kwargs or {})
    row = known(store)
    if row is not None:
        if query.mode.value != "default":
            raise ValueError("only a search by a vector alone is made ahead")
        if arguments and query.filters is not None:  # Some stores say which of them they ignore.
            raise ValueError("filters and arguments of the store's own are left to the original")
        return row.call(engine_name, store, (query,), arguments)
    key = search_key(engine_name, store, query, arguments, awaited)
    if awaited and query.mode.value in WITH_RANKS:
        raise ValueError("ranks of full-text search come out in other digits when awaited")
    vector, filters = query.query_embedding, query.filters
    snapshot = replace(
        query,
        query_embedding=None if vector is None else list(vector),
        node_ids=own(query.node_ids),
        doc_ids=own(query.doc_ids),
        filters=None if filters is None else filters.model_copy(deep=True),
    )
    return Call(engine_name, key, Search(store, snapshot, arguments))


def stage_add(store: Any, nodes: Sequence[Any]) -> Staged:
    """Write the rows of ``store.add(nodes)`` without letting anybody see them.

    Raises:
        NotStagedError: the store cannot hold a write back.
    """
    return _staged(store, nodes).write()


def ingestion_call(engine_name: str, store: Any, nodes: Sequence[Any], scope: Scope) -> Call:
    """The staged write that ``store.add(nodes)`` commits under ``scope``; rolled back when it ends.

    Takes its snapshot of the nodes now; the rows are written when the call is run.

    Raises:
        NotStagedError: the store cannot hold a write back.
    """
    staged = _staged(store, nodes)
    scope.on_close(staged.rollback)
    return _writes.call(engine_name, nodes, staged)


def _staged(store: Any, nodes: Sequence[Any]) -> Staged:
    reason = _unknown(store, _ADDED)
    if reason is not None:
        raise NotStagedError(reason)
    transaction: Transaction = (
        PostgresTransaction(store) if hasattr(store, "_engine") else SimpleTransaction(store)
    )
    return Staged(transaction, nodes)


def _unknown(store: Any, methods: Mapping[str, tuple[str, ...]]) -> str | None:
    name = type(store).__name__
    module = {"PGVectorStore": _POSTGRES, "SimpleVectorStore": _SIMPLE}.get(name)
    if module is None or type(store).__module__ != module:
        return f"{name} is not a known vector store"
    return differs(store, type(store), *methods[name])


def _not_ready(store: Any) -> str | None:
    if not hasattr(store, "_engine"):
        return None
    if not store._is_initialized:
        return "the vector store is not connected yet: its first call sets it up"
    if store._customize_query_fn is not None:
        return "the vector store's queries are changed by a function of the user's"
    return None


def _readable(store: Any) -> str:
    if hasattr(store, "table_name"):
        return f"vector_store:{store.schema_name}.data_{store.table_name}"
    return f"vector_store:{type(store).__name__}"


# The bindings.


def _asked(
    awaited: bool, engine: str, store: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Hashable:
    """The identity of the original's own search."""
    rest = dict(kwargs)
    query = args[0] if args else rest.pop("query", None)
    return search_key(engine, store, query, rest, awaited)


def _fields(store: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Fields:
    """A plain search, as data.

    Raises:
        ValueError: it is not plain.
    """
    query: Any = args[0] if args else kwargs.get("query")
    vector = query.query_embedding
    given = {part.name: getattr(query, part.name) for part in fields(query)}
    usual = type(query)(query_embedding=vector, similarity_top_k=query.similarity_top_k)
    varied = {name for name, value in given.items() if value != getattr(usual, name)}
    if len(args) + len(kwargs) != 1 or varied - {"query_str", "node_ids"}:
        raise ValueError("only a plain search is made ahead")
    plain: dict[str, Any] = {"vector": tuple(map(float, vector)), "k": query.similarity_top_k}
    if query.query_str is not None:
        plain["text"] = query.query_str
    if query.node_ids and hasattr(store, "_engine"):
        raise ValueError("only a store in memory is searched ahead among some of its nodes")
    if query.node_ids is not None:
        # An index that keeps its texts in the store knows of no nodes, and names none.
        plain["nodes"] = choice_of(store, query.node_ids) if query.node_ids else _NOT_NAMED
    return plain


_NOT_NAMED: Final = "none"


def _otherwise(_: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Fields:
    """Any other search with a vector."""
    query: Any = args[0] if args else kwargs.get("query")
    return {
        "vector": tuple(map(float, query.query_embedding)),
        "k": query.similarity_top_k,
        "mode": str(query.mode),
        "filters": None if query.filters is None else query.filters.model_dump_json(),
    }


def _again(engine: str, store: Any, asked: Fields) -> Call:
    from llama_index.core.vector_stores.types import VectorStoreQuery

    reason = _unknown(store, _QUERIED) or _not_ready(store)
    if reason is not None or asked["engine"] != engine:
        raise ValueError(reason or "another store is searched")
    query = VectorStoreQuery(
        query_embedding=list(asked["vector"]),
        similarity_top_k=asked["k"],
        query_str=asked.get("text"),
        node_ids=_nodes(store, asked.get("nodes")),
    )
    return search_call(engine, store, query)


def _nodes(store: Any, name: str | None) -> list[str] | None:
    if name is None or name == _NOT_NAMED:
        return None if name is None else []
    return chosen(store, name)


def _found(store: Any, result: Any) -> tuple[FoundItem, ...]:
    """The nodes, or what the ids stand for, as far as it is known: texts are in another store."""
    if result.nodes is not None:
        return tuple(map(item_of, result.nodes))
    return items_of(store, result.ids or ())


_LEARNABLE: Final = stores.Learnable(_fields, _again, _found, _otherwise)
_query: Final = stores.search(engine_for, partial(_asked, False), own, _LEARNABLE)
_aquery: Final = stores.async_search(engine_for, partial(_asked, True), own, _LEARNABLE)


def _added(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sequence[Any] | None:
    """The nodes of an ``add``, if they are all of it."""
    nodes = args[0] if args else kwargs.get("nodes")
    return nodes if isinstance(nodes, list | tuple) and len(args) + len(kwargs) == 1 else None


_writes: Final = Writes(engine_for, written_by, _added, lambda node: node.node_id)
_WRITES: Final = ("delete", "delete_nodes", "clear")


def _add_rows(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``add`` of a Postgres store: inside of an accelerated call rows are copied."""
    nodes = _added(args, kwargs) if current_scope() is not None else None

    def add(*args: Any, **kwargs: Any) -> Any:
        if nodes is not None and _unknown(instance, _ADDED) is None and copied(instance, nodes):
            return [node.node_id for node in nodes]
        return wrapped(*args, **kwargs)

    return _writes.add(wrapped if nodes is None else add, instance, args, kwargs)


async def _add_rows_async(
    wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    nodes = _added(args, kwargs) if current_scope() is not None else None

    async def add(*args: Any, **kwargs: Any) -> Any:
        known = nodes is not None and _unknown(instance, _ADDED) is None
        if nodes is not None and known and await acopied(instance, nodes):
            return [node.node_id for node in nodes]
        return await wrapped(*args, **kwargs)

    return await _writes.async_add(wrapped if nodes is None else add, instance, args, kwargs)


BINDINGS: Final = (
    Binding(
        "llama-index-vector-stores-postgres",
        "llama-index-vector-stores-postgres",
        ("0.9", "0.10"),
        (
            Target(_POSTGRES, "PGVectorStore.query", _query),
            Target(_POSTGRES, "PGVectorStore.aquery", _aquery),
            Target(_POSTGRES, "PGVectorStore.add", _add_rows),
            Target(_POSTGRES, "PGVectorStore.async_add", _add_rows_async),
            *(Target(_POSTGRES, f"PGVectorStore.{name}", _writes.write) for name in _WRITES),
            *(Target(_POSTGRES, f"PGVectorStore.a{name}", _writes.async_write) for name in _WRITES),
        ),
    ),
    Binding(
        "llama-index-core: SimpleVectorStore",
        "llama-index-core",
        TESTED,
        (
            Target(_SIMPLE, "SimpleVectorStore.query", _query),
            Target(_SIMPLE, "SimpleVectorStore.add", _writes.add),
            *(Target(_SIMPLE, f"SimpleVectorStore.{name}", _writes.write) for name in _WRITES),
        ),
    ),
)

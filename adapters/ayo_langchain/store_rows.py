"""Vector stores of LangChain that ask a client, or Postgres: a row each.

Read and run with langchain-chroma 1.1.0, langchain-qdrant 1.1.0, langchain-community 0.4.2,
langchain-milvus 0.3.3 and langchain-postgres 0.0.19.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

from ayo_bridge.lift.store_asking import KnownStore, known_store
from ayo_bridge.lift.store_clients import Methods, StoreClient
from ayo_bridge.lift.store_rows import (
    CHROMA,
    CHROMA_BINDING,
    FAISS,
    FAISS_BINDING,
    MILVUS,
    MILVUS_BINDING,
    QDRANT,
    QDRANT_BINDING,
)

_SEARCHES: Final = ("similarity_search", "asimilarity_search")
_SCORED: Final = (*_SEARCHES, "similarity_search_with_score")
_V2: Final = ("langchain_postgres.v2.async_vectorstore", "AsyncPGVectorStore")
_V1: Final = ("langchain_postgres.vectorstores", "PGVector")
_V2_WRITES: Final = ("aadd_embeddings", "aadd_texts", "aadd_documents", "adelete")
_V1_WRITES: Final = (
    *("add_embeddings", "add_texts", "delete", "delete_collection", "create_collection"),
    "drop_tables",
)
_V1_AWAITED: Final = tuple(f"a{name}" for name in _V1_WRITES)


def _address(url: Any) -> tuple[Hashable, ...]:
    return url.host, url.port, url.database, tuple(sorted(url.normalized_query.items()))


def _table(store: Any) -> Hashable:
    return (*_address(store.engine.url), store.schema_name, store.table_name)


def _database(store: Any) -> Hashable:
    """The collections of a database share their tables."""
    return _address((store._engine or store._async_engine).url)


_VERSIONS: Final = ("0.0.16", "0.1")
_AT_ONCE: Final = 4
"""Fewer than the connections that an engine may open (5 and 10 more)."""
PG_TABLES: Final = StoreClient(
    library="PGVectorStore",
    distribution="langchain-postgres",
    tested=_VERSIONS,
    searched=(Methods(*_V2, ("asimilarity_search_with_score_by_vector",), True),),
    written=(Methods(*_V2, _V2_WRITES, True),),
    elsewhere=(Methods("langchain_postgres.v2.engine", "PGEngine", ("_adrop_table",), True),),
    classes=("AsyncPGVectorStore",),
    place=_table,
    at_once=_AT_ONCE,
    readable=lambda store: f"vector_store:{store.schema_name}.{store.table_name}",
)
PG_COLLECTIONS: Final = StoreClient(
    library="PGVector",
    distribution="langchain-postgres",
    tested=_VERSIONS,
    searched=(Methods(*_V1, ("similarity_search_with_score_by_vector",)),),
    written=(Methods(*_V1, _V1_WRITES), Methods(*_V1, _V1_AWAITED, True)),
    classes=("PGVector",),
    place=_database,
    at_once=_AT_ONCE,
    readable=lambda store: f"vector_store:{store.collection_name}",
)
_PG_TABLES_BINDING: Final = PG_TABLES.binding()
_PG_COLLECTIONS_BINDING: Final = PG_COLLECTIONS.binding()
BINDINGS: Final = (_PG_TABLES_BINDING, _PG_COLLECTIONS_BINDING)


def _table_unready(store: Any) -> str | None:
    working = store._PGVectorStore__vs
    if store._engine._loop is None:
        return "the store runs on the loop of its caller"
    if working.hybrid_search_config is not None:
        return "the store also searches by words, by settings that a search changes"
    if hasattr(working.embedding_service, "embed_query_inline_template"):
        return "the database embeds the query"
    return None


def _collection_unready(store: Any) -> str | None:
    return "the store has an async engine" if store._engine is None else None


ROWS: Final = (
    KnownStore(
        module="langchain_chroma.vectorstores",
        name="Chroma",
        clients=CHROMA,
        binding=CHROMA_BINDING,
        client="_chroma_collection",
        embedding="_embedding_function",
        search="similarity_search",
        methods=_SCORED,
    ),
    KnownStore(
        module="langchain_qdrant.qdrant",
        name="QdrantVectorStore",
        clients=QDRANT,
        binding=QDRANT_BINDING,
        client="_client",
        embedding="_embeddings",
        search="similarity_search",
        methods=_SCORED,
        unready=lambda store: (
            None if store.retrieval_mode.name == "DENSE" else "the store searches by sparse vectors"
        ),
    ),
    KnownStore(
        module="langchain_community.vectorstores.faiss",
        name="FAISS",
        clients=FAISS,
        binding=FAISS_BINDING,
        client="index",
        embedding="embedding_function",
        search="similarity_search",
        methods=(
            *(*_SCORED, "asimilarity_search_with_score", "_embed_query", "_aembed_query"),
            *(
                "similarity_search_with_score_by_vector",
                "asimilarity_search_with_score_by_vector",
            ),
        ),
        awaits=(False, True),
    ),
    KnownStore(
        module="langchain_milvus.vectorstores.milvus",
        name="Milvus",
        clients=MILVUS,
        binding=MILVUS_BINDING,
        client="_milvus_client",
        embedding="embedding_func",
        search="similarity_search",
        methods=(*_SCORED, "_collection_search"),
        awaits=(False, True),
        not_awaited="an awaited search goes by a client that belongs to the loop of its call",
    ),
    KnownStore(
        module="langchain_postgres.v2.vectorstores",
        name="PGVectorStore",
        clients=PG_TABLES,
        binding=_PG_TABLES_BINDING,
        within="_PGVectorStore__vs",
        embedding="embedding_service",
        search="asimilarity_search",
        methods=("asimilarity_search", "asimilarity_search_by_vector"),
        awaits=(True, True),
        unready=_table_unready,
        loop=lambda store: store._engine._loop,
    ),
    KnownStore(
        module="langchain_postgres.vectorstores",
        name="PGVector",
        clients=PG_COLLECTIONS,
        binding=_PG_COLLECTIONS_BINDING,
        embedding="embedding_function",
        search="similarity_search",
        methods=(*_SEARCHES, "similarity_search_by_vector"),
        unready=_collection_unready,
        not_awaited="the store has no async engine",
    ),
)


def known(store: Any) -> KnownStore | None:
    """The row of a store's class."""
    return known_store(ROWS, store)

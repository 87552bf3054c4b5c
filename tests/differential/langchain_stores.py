"""Stores that the LangChain rows search: those whose clients are followed, filled alike."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from typing import Any, Final

from langchain_core.embeddings import Embeddings

from tests.differential.harness import Env
from tests.differential.langchain_parts import texts

_names = itertools.count()
_FILE = "milvus.db"
_open: list[Callable[[], object]] = []


def close_stores() -> None:
    """Close the connections of all that were made."""
    while _open:
        _open.pop()()


def _plain() -> list[Any]:
    """Documents without lists in their metadata: not every store takes those."""
    found = texts()
    for document in found:
        document.metadata = {"number": document.metadata["number"]}
    return found


def chroma(env: Env, model: Embeddings) -> Any:
    """A collection of its own, in this process."""
    import chromadb
    from langchain_chroma import Chroma

    store = Chroma(
        f"documents-{next(_names)}",
        model,
        client=chromadb.EphemeralClient(),
    )
    store.add_documents(_plain())
    return store


def qdrant(env: Env, model: Embeddings) -> Any:
    """A collection of a client in memory."""
    from langchain_qdrant import QdrantVectorStore

    return QdrantVectorStore.from_texts(
        [document.page_content for document in texts()],
        model,
        [document.metadata for document in texts()],
        location=":memory:",
        collection_name="documents",
    )


def faiss(env: Env, model: Embeddings) -> Any:
    """A flat index."""
    from langchain_community.vectorstores import FAISS

    return FAISS.from_documents(texts(), model)


def milvus(env: Env, model: Embeddings) -> Any:
    """Milvus Lite, in a file."""
    from langchain_milvus import Milvus
    from pymilvus import connections

    uri = f"{tempfile.mkdtemp()}/{_FILE}"
    store = Milvus(
        model,
        collection_name=f"documents_{next(_names)}",
        connection_args={"uri": uri},
        index_params={"index_type": "FLAT", "metric_type": "L2"},
        enable_dynamic_field=True,
        auto_id=True,
    )
    # langchain-milvus 0.3.3 asks by a connection that pymilvus 2.6.17 does not make by itself.
    connections.connect(store.alias, uri=uri)
    store.add_documents(_plain())
    return store


def pg_tables(env: Env, model: Embeddings) -> Any:
    """A table of the tests' Postgres."""
    from langchain_postgres import PGEngine, PGVectorStore

    at = env.fixture("postgres").dsn
    url = f"{at.user}:{at.password}@{at.host}:{at.port}/{at.database}"
    engine = PGEngine.from_connection_string(f"postgresql+asyncpg://{url}")
    table = f"langchain_{next(_names)}"
    _open.append(lambda: engine._run_as_sync(engine.close()))
    engine.init_vectorstore_table(table, len(model.embed_query(table)))
    store = PGVectorStore.create_sync(engine, model, table)
    store.add_texts([document.page_content for document in texts()], [d.metadata for d in _plain()])
    return store


def pg_collections(env: Env, model: Embeddings) -> Any:
    """A collection of the tests' Postgres."""
    from langchain_postgres import PGVector

    at = env.fixture("postgres").dsn
    url = f"{at.user}:{at.password}@{at.host}:{at.port}/{at.database}"
    name = f"documents-{next(_names)}"
    store = PGVector(model, connection=f"postgresql+psycopg://{url}", collection_name=name)
    opened: Any = store
    _open.append(lambda: (opened.session_maker.remove(), opened._engine.dispose()))
    documents = _plain()
    for document in documents:  # One id is one document, whatever collection that belongs to.
        document.id = f"{name}-{document.id}"
    store.add_documents(documents)
    return store


def _qdrant_filter() -> Any:
    from qdrant_client import models

    below = models.Range(lt=12)
    return models.Filter(must=[models.FieldCondition(key="metadata.number", range=below)])


STORES: Final[dict[str, tuple[Callable[[Env, Embeddings], Any], Callable[[], dict[str, Any]]]]] = {
    "chroma": (chroma, lambda: {"filter": {"number": {"$lt": 12}}}),
    "qdrant": (qdrant, lambda: {"filter": _qdrant_filter()}),
    "faiss": (faiss, lambda: {"filter": {"number": {"$lt": 12}}, "fetch_k": 30}),
    "milvus": (milvus, lambda: {"expr": "number < 12"}),
    "pg-tables": (pg_tables, lambda: {"filter": {"langchain_id": {"$exists": True}}}),
    "pg-collections": (pg_collections, lambda: {"filter": {"number": {"$lt": 12}}}),
}
"""By name: how a store is made, and a filter that some of its documents pass."""

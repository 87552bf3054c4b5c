"""LlamaIndex retrievers over stores whose clients are followed, with and without filters."""

from __future__ import annotations

import itertools
import tempfile
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

from tests.differential import llama_index_parts as parts
from tests.differential.harness import Case, Env

RETRIEVE = ("retrieve", "aretrieve")
_names = itertools.count()


def _chroma() -> Any:
    import chromadb
    from llama_index.vector_stores.chroma import ChromaVectorStore

    made = chromadb.EphemeralClient().create_collection(f"notes-{next(_names)}")
    return ChromaVectorStore(made)


def _qdrant() -> Any:
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    return QdrantVectorStore("notes", client=QdrantClient(":memory:"))


def _faiss() -> Any:
    import faiss
    from llama_index.vector_stores.faiss import FaissVectorStore

    return FaissVectorStore(faiss.IndexFlatL2(parts.DIMENSION))


def _faiss_map() -> Any:
    import faiss
    from llama_index.vector_stores.faiss import FaissMapVectorStore

    return FaissMapVectorStore(faiss.IndexIDMap2(faiss.IndexFlatL2(parts.DIMENSION)))


def _milvus() -> Any:
    from llama_index.vector_stores.milvus import MilvusVectorStore

    uri = f"{tempfile.mkdtemp()}/milvus.db"
    return MilvusVectorStore(uri, dim=parts.DIMENSION, use_async_client=False)


STORES: dict[str, Callable[[], Any]] = {
    "chroma": _chroma,
    "qdrant": _qdrant,
    "faiss": _faiss,
    "faiss-map": _faiss_map,
    "milvus": _milvus,
}
_NO_FILTERS = ("faiss", "faiss-map")
_NOT_AWAITED = ("qdrant", "milvus")
"""They have no awaited client here, and say so when they are awaited."""
_made: dict[str, VectorStoreIndex] = {}
"""Filled once: nothing is written to them."""


def _index(name: str) -> VectorStoreIndex:
    if name not in _made:
        nodes = parts.nodes()
        for number, node in enumerate(nodes):
            node.id_ = str(uuid.UUID(int=number))
        _made[name] = VectorStoreIndex(
            nodes,
            storage_context=StorageContext.from_defaults(vector_store=STORES[name]()),
            embed_model=parts.mock_embedding(),
        )
    return _made[name]


def _fusion(env: Env, name: str, filtered: bool) -> Any:
    filters = MetadataFilters(filters=[MetadataFilter(key="source", value="book 1")])
    options = {"filters": filters} if filtered else {}
    retriever = _index(name).as_retriever(similarity_top_k=3, **options)
    return parts.fusion(env, "reciprocal_rerank", retrievers=[retriever])


ROWS = [
    Case(
        f"{name}-filtered" if filtered else name,
        partial(_fusion, name=name, filtered=filtered),
        entries=RETRIEVE,
        script=parts.answers,
        ahead=("retrieve",) if name in _NOT_AWAITED else RETRIEVE,
        real=True,
    )
    for name in STORES
    for filtered in (False, True)
    if not (filtered and name in _NO_FILTERS)
]

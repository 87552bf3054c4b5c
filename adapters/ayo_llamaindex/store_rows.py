"""Vector stores of LlamaIndex that ask a client of a known kind: a row each."""

from __future__ import annotations

from typing import Any, Final

from ayo_bridge.lift.store_asking import KnownStore, known_store
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

_QUERIES: Final = ("query", "aquery")
_OF_A_LOOP: Final = "an awaited search goes by a client that belongs to the loop of its call"

ROWS: Final = (
    KnownStore(
        module="llama_index.vector_stores.chroma.base",
        name="ChromaVectorStore",
        clients=CHROMA,
        binding=CHROMA_BINDING,
        client="_collection",
        search="query",
        methods=(*_QUERIES, "_query"),
    ),
    KnownStore(
        module="llama_index.vector_stores.qdrant.base",
        name="QdrantVectorStore",
        clients=QDRANT,
        binding=QDRANT_BINDING,
        client="_client",
        search="query",
        methods=(*_QUERIES, "_build_query_filter", "_build_subfilter"),
        not_awaited=_OF_A_LOOP,
    ),
    *(
        KnownStore(
            module=f"llama_index.vector_stores.faiss.{module}",
            name=name,
            clients=FAISS,
            binding=FAISS_BINDING,
            client="_faiss_index",
            search="query",
            methods=_QUERIES,
        )
        for module, name in (("base", "FaissVectorStore"), ("map_store", "FaissMapVectorStore"))
    ),
    KnownStore(
        module="llama_index.vector_stores.milvus.base",
        name="MilvusVectorStore",
        clients=MILVUS,
        binding=MILVUS_BINDING,
        client="_milvusclient",
        search="query",
        methods=(*_QUERIES, "_prepare_before_search", "_default_search"),
        not_awaited=_OF_A_LOOP,
    ),
)


def known(store: Any) -> KnownStore | None:
    """The row of a store's class."""
    return known_store(ROWS, store)

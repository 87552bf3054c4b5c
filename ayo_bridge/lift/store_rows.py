"""The clients of vector stores that are known: Chroma, Qdrant, FAISS, Milvus.

Read and run with chromadb 1.5.9, qdrant-client 1.20.0, faiss-cpu 1.15.1 and pymilvus 2.6.17.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Hashable
from typing import Any, Final

from ayo_bridge.bindings.binding import beneath
from ayo_bridge.lift.store_clients import Methods, StoreClient
from ayo_bridge.lift.store_found import Form, in_chroma, in_milvus, in_qdrant, learnable
from ayo_bridge.lift.witness import checked

# Chroma: a collection has an id of its own, whatever client it is reached through.


_CHROMA_WRITES: Final = ("add", "upsert", "update", "delete", "modify")


def _chroma_in_process(collection: Any) -> bool:
    return type(collection._client).__name__ != "FastAPI"


CHROMA: Final = StoreClient(
    library="Chroma",
    distribution="chromadb",
    tested=("1.5", "2"),
    searched=(Methods("chromadb.api.models.Collection", "Collection", ("query",)),),
    written=(
        Methods("chromadb.api.models.Collection", "Collection", _CHROMA_WRITES),
        Methods("chromadb.api.models.AsyncCollection", "AsyncCollection", _CHROMA_WRITES, True),
    ),
    elsewhere=(
        Methods("chromadb.api.client", "Client", ("delete_collection", "reset")),
        Methods("chromadb.api.async_client", "AsyncClient", ("delete_collection", "reset"), True),
    ),
    classes=("Collection",),
    place=lambda collection: collection.id,
    readable=lambda collection: f"vector_store:chroma.{collection.name}",
    in_process=_chroma_in_process,
    learnable=learnable(
        Form("query_embeddings", "n_results", ("where", "where_document", "ids")), in_chroma
    ),
)


# Qdrant: collections have aliases, so that what a write changes is the server.


_QDRANT_WRITES: Final = (
    *("upsert", "delete", "update_vectors", "delete_vectors", "set_payload", "overwrite_payload"),
    *("delete_payload", "clear_payload", "batch_update_points", "update_collection_aliases"),
    *("create_collection", "recreate_collection", "update_collection", "delete_collection"),
    *("create_payload_index", "delete_payload_index", "recover_snapshot", "recover_shard_snapshot"),
    *("create_shard_key", "delete_shard_key"),
)
_QDRANT_UPLOADS: Final = ("upload_points", "upload_collection")
_QDRANT: Final = ("qdrant_client.qdrant_client", "QdrantClient")
_QDRANT_ASYNC: Final = ("qdrant_client.async_qdrant_client", "AsyncQdrantClient")


def _is_local(client: Any) -> bool:
    return type(client._client).__name__ in ("QdrantLocal", "AsyncQdrantLocal")


def _qdrant_place(client: Any) -> Hashable:
    inner = client._client
    return ("local", id(inner)) if _is_local(client) else (inner._host, inner._port, inner._prefix)


def _qdrant_name(client: Any) -> str:
    inner = client._client
    return f"vector_store:qdrant {'local' if _is_local(client) else f'{inner._host}:{inner._port}'}"


def _qdrant_unready(client: Any) -> str | None:
    if client._init_options.get("auth_token_provider") is not None:
        return "the client's key is a function"
    return None


QDRANT: Final = StoreClient(
    library="Qdrant",
    distribution="qdrant-client",
    tested=("1.16", "2"),
    searched=(Methods(*_QDRANT, ("query_points", "query_batch_points")),),
    written=(
        Methods(*_QDRANT, (*_QDRANT_WRITES, *_QDRANT_UPLOADS)),
        Methods(*_QDRANT_ASYNC, _QDRANT_WRITES, True),
        Methods(*_QDRANT_ASYNC, _QDRANT_UPLOADS),
    ),
    elsewhere=(Methods(*_QDRANT, ("migrate",)),),
    classes=("QdrantClient",),
    place=_qdrant_place,
    readable=_qdrant_name,
    unready=_qdrant_unready,
    in_process=_is_local,
    alone=_is_local,
    learnable=learnable(Form("query", "limit", ("query_filter", "prefetch"), flat=True), in_qdrant),
)


# FAISS: an index in memory, which may be read by many but not while it is changed.


_FAISS_WRITES: Final = {
    "Index": ("add", "add_with_ids", "remove_ids", "reset", "merge_from", "train", "add_sa_codes"),
    "IndexFlatCodes": ("add", "remove_ids", "reset", "merge_from", "add_sa_codes"),
    "IndexFlat": ("add", "remove_ids", "add_sa_codes"),
    "IndexHNSW": ("add", "reset", "train"),
    "IndexIVF": (
        *("add", "add_with_ids", "remove_ids", "reset", "merge_from", "train", "update_vectors"),
        "add_sa_codes",
    ),
    "IndexIDMap": (
        *("add", "add_with_ids", "remove_ids", "reset", "merge_from", "train", "add_sa_codes"),
    ),
    "IndexIDMap2": ("add_with_ids", "remove_ids", "merge_from", "add_sa_codes"),
}
_FAISS_CLASSES: Final = (
    *("IndexFlat", "IndexFlatL2", "IndexFlatIP", "IndexHNSWFlat", "IndexIVFFlat"),
    *("IndexIDMap", "IndexIDMap2"),
)
_FAISS_SETTINGS: Final = (
    *("ntotal", "nprobe", "max_codes", "hnsw.efSearch", "hnsw.check_relative_distance"),
    "hnsw.search_bounded_queue",
)


def _faiss_state(index: Any) -> Hashable:
    """Its size, which tells of writes that went by its inner methods, and how thoroughly it looks.

    Of an index that gives another one ids of its own, the other's too.
    """
    inner = _within(index)
    return tuple(
        _reached(each, path) for each in (index, inner) if each for path in _FAISS_SETTINGS
    )


def _within(index: Any) -> Any:
    inner = getattr(index, "index", None)
    return None if inner is None else sys.modules["faiss"].downcast_index(inner)


def _reached(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


def _faiss_differs(index: Any, *methods: str) -> str | None:
    """Why a method may not be the library's own: that puts wrappers of one module on them all."""
    return checked(lambda: _replaced(index, methods))


def _replaced(index: Any, methods: tuple[str, ...]) -> str | None:
    file = getattr(sys.modules.get("faiss.class_wrappers"), "__file__", None)
    inner = _within(index)
    if inner is not None and type(inner).__name__ not in _FAISS_CLASSES[:-2]:
        return f"{type(index).__name__} around a {type(inner).__name__} is not known"
    for name in methods:
        if name in vars(index):
            return f"{type(index).__name__}.{name} is replaced on the instance"
        owner = next(cls for cls in type(index).__mro__ if name in vars(cls))
        code = getattr(beneath(vars(owner)[name]), "__code__", None)
        if code is None or code.co_filename != file:
            return f"{owner.__name__}.{name} has been replaced"
    return None


def _always(_: Any) -> bool:
    return True


FAISS: Final = StoreClient(
    library="FAISS",
    distribution="faiss-cpu",
    tested=("1.12", "2"),
    searched=tuple(
        Methods("faiss", owner, ("search",))
        for owner in ("IndexFlatCodes", "IndexFlat", "IndexHNSW", "IndexIVF", "IndexIDMap")
    ),
    written=tuple(Methods("faiss", owner, names) for owner, names in _FAISS_WRITES.items()),
    classes=_FAISS_CLASSES,
    place=lambda index: int(index.this),
    readable=lambda index: f"vector_store:faiss.{type(index).__name__}",
    state=_faiss_state,
    in_process=_always,
    alone=_always,
    differs=_faiss_differs,
)


# Milvus: collections have aliases, so that what a write changes is the server, or the file of Lite.


_MILVUS_WRITES: Final = (
    *("insert", "upsert", "delete", "drop_collection", "rename_collection", "create_collection"),
    *("truncate_collection", "load_collection", "release_collection", "load_partitions"),
    *("release_partitions", "drop_partition", "create_index", "drop_index", "refresh_load"),
    *("alter_collection_properties", "drop_collection_properties", "alter_collection_field"),
    *("add_collection_field", "create_alias", "drop_alias", "alter_alias", "drop_database"),
    *("alter_index_properties", "drop_index_properties", "use_database", "using_database", "flush"),
)
_MILVUS: Final = ("pymilvus.milvus_client.milvus_client", "MilvusClient")
_MILVUS_ASYNC: Final = ("pymilvus.milvus_client.async_milvus_client", "AsyncMilvusClient")
_ORM_WRITES: Final = (
    *("insert", "upsert", "delete", "drop", "load", "release", "flush", "create_index"),
    *("drop_index", "drop_partition", "set_properties"),
)


MILVUS: Final = StoreClient(
    library="Milvus",
    distribution="pymilvus",
    tested=("2.6", "3"),
    searched=(Methods(*_MILVUS, ("search",)),),
    written=(
        Methods(*_MILVUS, _MILVUS_WRITES),
        Methods(*_MILVUS_ASYNC, _MILVUS_WRITES, True),
    ),
    elsewhere=(Methods("pymilvus.orm.collection", "Collection", _ORM_WRITES),),
    classes=("MilvusClient",),
    place=lambda client: client._config.address,
    readable=lambda client: "vector_store:milvus",
    copied=copy.deepcopy,
    learnable=learnable(Form("data", "limit", ("filter", "ids", "partition_names")), in_milvus),
)

CHROMA_BINDING: Final = CHROMA.binding()
QDRANT_BINDING: Final = QDRANT.binding()
FAISS_BINDING: Final = FAISS.binding()
MILVUS_BINDING: Final = MILVUS.binding()
BINDINGS: Final = (CHROMA_BINDING, QDRANT_BINDING, FAISS_BINDING, MILVUS_BINDING)

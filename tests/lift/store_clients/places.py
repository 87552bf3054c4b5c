"""A place of each kind of store, with ten vectors in it, and several ways to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from ayo_bridge.bindings.binding import Binding
from ayo_bridge.lift import store_rows
from ayo_bridge.lift.store_clients import StoreClient

DIMENSIONS = 8
_names = itertools.count()
_alive: list[Any] = []


def vector(number: int) -> list[float]:
    return [((number * 37 + k * 11) % 23) / 7.0 + 0.1 for k in range(DIMENSIONS)]


@dataclass(frozen=True)
class Place:
    """What is searched.

    Args:
        clients: its row.
        binding: what follows it.
        client: the object that searches.
        method: by which.
        asked: the arguments of a search for a vector.
        filtered: those of one among some of the entries; ``None``: it knows no filters.
        remove: takes the whole away, by its name.
        ids: the ids that a search has found, nearest first.
        writes: ways to add the entry 3, which is the nearest to its own vector.
    """

    clients: StoreClient
    binding: Binding
    client: Any
    method: str
    asked: Callable[[Sequence[float]], tuple[tuple[Any, ...], dict[str, Any]]]
    ids: Callable[[Any], list[int]]
    writes: dict[str, Callable[[], object]]
    filtered: Callable[[Sequence[float]], tuple[tuple[Any, ...], dict[str, Any]]] | None = None
    remove: Callable[[str], object] | None = None

    def search(self, asked: tuple[tuple[Any, ...], dict[str, Any]]) -> list[int]:
        args, kwargs = asked
        return self.ids(getattr(self.client, self.method)(*args, **kwargs))


OTHERS = [number for number in range(10) if number != 3]


def chroma(folder: Path) -> Place:
    import chromadb

    client, name = chromadb.EphemeralClient(), f"numbers-{next(_names)}"
    collection = client.create_collection(name)

    def added(to: Any, *numbers: int) -> None:
        to.add(
            ids=[str(number) for number in numbers],
            embeddings=[vector(number) for number in numbers],
            documents=[f"number {number}" for number in numbers],
            metadatas=[{"number": number} for number in numbers],
        )

    added(collection, *OTHERS)
    return Place(
        store_rows.CHROMA,
        store_rows.CHROMA_BINDING,
        collection,
        "query",
        lambda sought: ((), {"query_embeddings": [list(sought)], "n_results": 3}),
        lambda result: [int(name) for name in result["ids"][0]],
        {
            "collection": lambda: added(collection, 3),
            "other-client": lambda: added(chromadb.EphemeralClient().get_collection(name), 3),
        },
        lambda sought: (
            (),
            {
                "query_embeddings": [list(sought)],
                "n_results": 3,
                "where": {"number": {"$gt": 4}},
            },
        ),
        client.delete_collection,
    )


def qdrant(folder: Path) -> Place:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    size = models.VectorParams(size=DIMENSIONS, distance=models.Distance.EUCLID)
    client.create_collection("numbers", vectors_config=size)

    def points(*numbers: int) -> list[models.PointStruct]:
        return [
            models.PointStruct(id=number, vector=vector(number), payload={"number": number})
            for number in numbers
        ]

    def by_other() -> None:
        other = QdrantClient(":memory:")
        other._client = client._client
        _alive.append(other)  # It closes what is inside when it goes.
        other.upload_points("numbers", points(3))

    def asked(sought: Sequence[float], **more: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return ("numbers",), {"query": list(sought), "limit": 3, **more}

    client.upsert("numbers", points(*OTHERS))
    above = models.FieldCondition(key="number", range=models.Range(gt=4))
    return Place(
        store_rows.QDRANT,
        store_rows.QDRANT_BINDING,
        client,
        "query_points",
        asked,
        lambda result: [point.id for point in result.points],
        {"upsert": lambda: client.upsert("numbers", points(3)), "other-client": by_other},
        lambda sought: asked(sought, query_filter=models.Filter(must=[above])),
    )


def qdrant_batch(folder: Path) -> Place:
    from qdrant_client import models

    place = qdrant(folder)

    def asked(sought: Sequence[float]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        request = models.QueryRequest(query=list(sought), limit=3)
        return (), {"collection_name": "numbers", "requests": [request]}

    return Place(
        place.clients,
        place.binding,
        place.client,
        "query_batch_points",
        asked,
        lambda result: [point.id for point in result[0].points],
        {"upsert": place.writes["upsert"]},
    )


def _matrix(*numbers: int) -> Any:
    return numpy.array([vector(number) for number in numbers], dtype="float32")


def faiss(folder: Path) -> Place:
    import faiss

    index: Any = faiss.IndexFlatL2(DIMENSIONS)
    index.add(_matrix(0, 1, 2, 4, 5, 6, 7, 8, 9))
    return Place(
        store_rows.FAISS,
        store_rows.FAISS_BINDING,
        index,
        "search",
        lambda sought: ((numpy.array([sought], dtype="float32"), 3), {}),
        lambda result: list(map(int, result[1][0])),
        {
            "index": lambda: index.add(_matrix(3)),
            "other-object": lambda: faiss.downcast_index(index).add(_matrix(3)),
            "below-the-methods": lambda: index.add_c(1, faiss.swig_ptr(_matrix(3))),
        },
    )


def faiss_mapped(folder: Path) -> Place:
    import faiss

    index = faiss.IndexIDMap2(faiss.IndexHNSWFlat(DIMENSIONS, 8))
    index.add_with_ids(_matrix(*OTHERS), numpy.array(OTHERS))

    return Place(
        store_rows.FAISS,
        store_rows.FAISS_BINDING,
        index,
        "search",
        lambda sought: ((), {"x": numpy.array([sought], dtype="float32"), "k": 3}),
        lambda result: list(map(int, result[1][0])),
        {"index": lambda: index.add_with_ids(_matrix(3), numpy.array([3]))},
    )


def milvus(folder: Path) -> Place:
    from pymilvus import MilvusClient

    uri = str(folder / "milvus.db")
    client = MilvusClient(uri)
    client.create_collection("numbers", dimension=DIMENSIONS, metric_type="L2")

    def added(to: Any, *numbers: int) -> None:
        to.insert("numbers", [{"id": n, "vector": vector(n), "number": n} for n in numbers])

    def asked(sought: Sequence[float], **more: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return ("numbers",), {"data": [list(sought)], "limit": 3, **more}

    added(client, *OTHERS)
    return Place(
        store_rows.MILVUS,
        store_rows.MILVUS_BINDING,
        client,
        "search",
        asked,
        lambda result: [hit["id"] for hit in result[0]],
        {
            "insert": lambda: added(client, 3),
            "other-client": lambda: added(MilvusClient(uri), 3),
        },
        lambda sought: asked(sought, filter="number > 4"),
    )


PLACES = {
    "chroma": chroma,
    "qdrant": qdrant,
    "qdrant-batch": qdrant_batch,
    "faiss": faiss,
    "faiss-mapped": faiss_mapped,
    "milvus": milvus,
}

"""A vector store in memory: for tests, and for documents that a query brings along."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ayo_bridge.runahead.values import Embedded
from ayo_bridge.seam import AsyncEngine, Call, EngineKind, Limits
from ayo_bridge.workflow.requests import Ingest, Search

SHARED: Final = 0
"""Where a shared store keeps everything; queries count from 1."""


@dataclass(slots=True)
class _Collection:
    """Texts and their vectors, each of length 1."""

    texts: list[str] = field(default_factory=list)
    vectors: list[Any] = field(default_factory=list)
    stacked: Any = None
    """The vectors one below the other, while no more have come."""


class MemoryStore(AsyncEngine):
    """Serves :class:`Ingest` and :class:`Search`: exact cosine similarity; needs numpy.

    Equal scores keep the order of ingestion. Every query sees what it has brought itself, and that
    is forgotten when it ends; a ``shared`` store keeps everything for all of them.
    """

    kind = EngineKind.VECTOR_STORE

    def __init__(self, name: str, *, shared: bool = False) -> None:
        self.name = name
        self.limits = Limits(continuous=True)
        self._shared = shared
        self._collections: dict[int, _Collection] = {}

    def __len__(self) -> int:
        return sum(len(collection.texts) for collection in self._collections.values())

    async def serve(self, call: Call) -> object:
        """The numbers of what was stored, or a list of hits an item.

        Raises:
            TypeError: an item has no vector: nothing embeds it before the store.
        """
        match call.payload:
            case Ingest(items, query):
                return self._ingest(items, query)
            case Search(items, top_k, query):
                return [self._hits(item, top_k, query) for item in items]
        raise TypeError(f"{self.name!r} serves no {type(call.payload).__name__}")

    async def release(self, query: int) -> None:
        """Forget what an ended query has brought."""
        if not self._shared:
            self._collections.pop(query, None)

    def _key(self, query: int) -> int:
        return SHARED if self._shared else query

    def _ingest(self, items: Sequence[object], query: int) -> list[int]:
        collection = self._collections.setdefault(self._key(query), _Collection())
        collection.stacked = None
        first = len(collection.texts)
        for item in items:
            embedded = require_vector(item, self.name)
            collection.texts.append(embedded.text)
            collection.vectors.append(_unit(embedded.vector))
        return list(range(first, len(collection.texts)))

    def _hits(self, item: object, top_k: int, query: int) -> list[str]:
        collection = self._collections.get(self._key(query))
        if collection is None or not collection.vectors:
            return []
        numpy = importlib.import_module("numpy")
        if collection.stacked is None:
            collection.stacked = numpy.stack(collection.vectors)
        scores = collection.stacked @ _unit(require_vector(item, self.name).vector)
        best = numpy.argsort(-scores, kind="stable")[: top_k or None]
        return [collection.texts[i] for i in best]


def require_vector(item: object, store: str) -> Embedded:
    """The item, if something has embedded it.

    Raises:
        TypeError: nothing has.
    """
    if not isinstance(item, Embedded):
        raise TypeError(
            f"{store!r} takes vectors, not {type(item).__name__}: name the `embedding` of the "
            "component before it"
        )
    return item


def _unit(vector: object) -> Any:
    numpy = importlib.import_module("numpy")
    array = numpy.asarray(vector, dtype="float32")
    return array / (numpy.linalg.norm(array) or 1.0)

"""Vector stores of LangChain, as engines: ``InMemoryVectorStore`` of langchain-core.

The boundary is ``_similarity_search_with_score_by_vector``, which every search of the class comes
to (langchain-core 1.7.2), below the retriever's events and above nothing. A store is a plain
dictionary that anybody may change, so a request names the contents it searched: a result computed
ahead is taken only while the store still holds the very same entries.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.engines.originals import original
from ayo_bridge.lift import stores
from ayo_bridge.lift.versions import Versions
from ayo_bridge.lift.witness import saw
from ayo_bridge.seam import Call, EngineHome, Fields, FoundItem
from ayo_langchain.known import CORE, differs

_MODULE: Final = "langchain_core.vectorstores.in_memory"
_SEARCH: Final = "_similarity_search_with_score_by_vector"
_METHODS: Final = (
    "similarity_search",
    "asimilarity_search",
    "similarity_search_with_score",
    "asimilarity_search_with_score",
    "similarity_search_with_score_by_vector",
    _SEARCH,
)
_AT_ONCE: Final = min(32, (os.cpu_count() or 1) + 4)
"""As many as the pool in which LangChain itself would run them (``ThreadPoolExecutor``'s default,
which its ``max_concurrency`` only lowers)."""


@dataclass(frozen=True, slots=True)
class Search:
    """One search of a copy of the store that nobody else holds."""

    store: Any
    vector: list[float]
    k: int
    live: Callable[[], Any]
    """The store that it is a copy of, as long as that lives."""

    def run(self) -> object:
        """Search, below our wrapper."""
        search = original(type(self.store), _SEARCH)
        return search(self.store, embedding=self.vector, k=self.k, filter=None)

    def identity(self, key: Hashable) -> Hashable:
        """The key of this very search, of the contents that ``key`` says."""
        match key:
            case (engine, version, *_):
                return (engine, version, tuple(self.vector), self.k)
        return None

    def anew(self, key: Hashable) -> object | None:
        """What the store itself finds now, if it still holds what it held."""
        store = self.live()
        match key:
            case (_, version, *_) if store is not None and version == _versions.of(store)[0]:
                found: object = getattr(store, _SEARCH)(list(self.vector), k=self.k)
                return found
        return None

    def found(self, result: object) -> object:
        """Texts and scores of what was found."""
        assert isinstance(result, list), "a result of a store"
        return [[document.page_content, score] for document, score, _ in result]


def store_engine(store: Any, runtime: EngineHome) -> str | None:
    """The engine name of a store in memory; ``None``: it is another."""
    from langchain_core.vectorstores import InMemoryVectorStore

    return _engine(store, runtime) if isinstance(saw(store), InMemoryVectorStore) else None


def store_differs(store: Any) -> str | None:
    """Why a store is not searched early, or ``None``."""
    from langchain_core.vectorstores import InMemoryVectorStore

    return differs(store, InMemoryVectorStore, *_METHODS)


def search_call(engine: str, store: Any, vector: list[float], k: int) -> Call:
    """The call that a search of ``store`` with this vector makes."""
    version, snapshot = _versions.of(store)
    key = (engine, version, tuple(vector), k)
    return Call(engine, key, Search(snapshot, vector, k, weakref.ref(store)), deterministic=True)


def _engine(store: Any, runtime: EngineHome) -> str:
    return stores.engine_for(store, runtime, lambda _: "store:InMemoryVectorStore", _AT_ONCE)


def _copy(store: Any, entries: dict[str, Any]) -> Any:
    copy = object.__new__(type(store))
    copy.store = entries
    return copy


_versions: Final = Versions(lambda store: store.store, _copy)


def _own(hits: Any) -> Any:
    """Hits as another search would have made them: documents of their own."""
    from langchain_core.documents import Document

    return [
        (
            Document(
                id=document.id, page_content=document.page_content, metadata=document.metadata
            ),
            score,
            vector,
        )
        for document, score, vector in hits
    ]


def _asked(engine: str, store: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
    """The identity of the original's own search.

    Raises:
        ValueError: it is left to the original.
    """
    return _key(engine, store, *args, **kwargs)


def _key(engine: str, store: Any, embedding: Any, k: int = 4, filter: Any = None) -> Hashable:
    from langchain_core.vectorstores import InMemoryVectorStore

    if filter is not None or type(store) is not InMemoryVectorStore:
        raise ValueError("only a plain search has an identity")
    return (engine, _versions.of(store)[0], tuple(embedding), k)


def _fields(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Fields:
    return _plain(*args, **kwargs)


def _plain(embedding: Any, k: int = 4, filter: Any = None) -> Fields:
    if filter is not None:
        raise ValueError("only a plain search is made ahead")
    return {"vector": tuple(map(float, embedding)), "k": k}


def _filtered(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Fields:
    return _with_filter(*args, **kwargs)


def _with_filter(embedding: Any, k: int = 4, filter: Any = None) -> Fields:
    return {"vector": tuple(map(float, embedding)), "k": k, "filtered": filter is not None}


def _again(engine: str, store: Any, fields: Fields) -> Call:
    reason = store_differs(store)
    if reason is not None or fields["engine"] != engine:
        raise ValueError(reason or "another store is searched")
    return search_call(engine, store, list(fields["vector"]), fields["k"])


def _found(_: Any, hits: Any) -> tuple[FoundItem, ...]:
    return tuple(
        FoundItem(document.page_content, document.id or "", stores.texts_of(document.metadata))
        for document, _, _ in hits
    )


_LEARNABLE: Final = stores.Learnable(_fields, _again, _found, _filtered)

BINDINGS: Final = (
    Binding(
        "LangChain's in-memory vector store",
        "langchain-core",
        CORE,
        (
            Target(
                _MODULE,
                f"InMemoryVectorStore.{_SEARCH}",
                stores.search(_engine, _asked, _own, _LEARNABLE),
            ),
        ),
    ),
)

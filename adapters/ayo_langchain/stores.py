"""Vector stores of LangChain, as engines: ``InMemoryVectorStore`` of langchain-core.

The boundary is ``_similarity_search_with_score_by_vector``, which every search of the class comes
to (langchain-core 1.7.2), below the retriever's events and above nothing. A store is a plain
dictionary that anybody may change, so a request names the contents it searched: a result computed
ahead is taken only while the store still holds the very same entries.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.bindings.interception import observe, watch
from ayo_bridge.engines.live_names import LiveNames
from ayo_bridge.runahead import current_scope
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import BatchEngine, Call, EngineKind, Limits
from ayo_langchain.exact import CORE, differs

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
_names: Final = LiveNames()


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search of a copy of the store that nobody else holds."""

    store: Any
    vector: list[float]
    k: int


class MemoryStoreEngine(BatchEngine):
    """An ``InMemoryVectorStore``; a :class:`~ayo_bridge.seam.engine.BatchEngine`.

    Searches are never fused: each compares the whole store with one vector, in Python.
    """

    kind = EngineKind.VECTOR_STORE

    def __init__(self, name: str) -> None:
        self.name = name
        self.limits = Limits(instances=2)

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        """Search for each call."""
        return [self._search(call.payload) for call in calls]

    def _search(self, request: object) -> object:
        if not isinstance(request, SearchRequest):
            raise TypeError(f"not a search: {type(request).__name__}")
        return _original()(request.store, embedding=request.vector, k=request.k, filter=None)


def store_engine(store: Any, runtime: Home) -> str | None:
    """The engine name of a vector store; ``None`` if its class is not known."""
    from langchain_core.vectorstores import InMemoryVectorStore

    return _engine(store, runtime) if isinstance(store, InMemoryVectorStore) else None


def store_differs(store: Any) -> str | None:
    """Why a store is not searched early, or ``None``."""
    from langchain_core.vectorstores import InMemoryVectorStore

    return differs(store, InMemoryVectorStore, *_METHODS)


def search_call(engine: str, store: Any, vector: list[float], k: int) -> Call:
    """The call that a search of ``store`` with this vector makes."""
    version, snapshot = _versions.of(store)
    key = (engine, version, tuple(vector), k)
    return Call(engine, key, SearchRequest(snapshot, vector, k), deterministic=True)


def _engine(store: Any, runtime: Home) -> str:
    name = _names.find(store) or _names.name(store, "store:InMemoryVectorStore")
    if not runtime.knows(name):
        runtime.register(MemoryStoreEngine(name))
    return name


def _original() -> Callable[..., Any]:
    """The library's own function, below our wrapper if that is on."""
    from langchain_core.vectorstores import InMemoryVectorStore

    function: Any = vars(InMemoryVectorStore)[_SEARCH]
    found: Callable[..., Any] = getattr(function, "__wrapped__", function)
    return found


class _Versions:
    """Numbers the contents of live stores: another number, other contents. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: weakref.WeakKeyDictionary[Any, tuple[int, Any, Any]] = (
            weakref.WeakKeyDictionary()
        )

    def of(self, store: Any) -> tuple[int, Any]:
        """The number of the present contents, and a store of its own that holds them."""
        with self._lock:
            entries = dict(store.store)
            # The snapshot keeps its entries alive, so that no other can have their ids.
            seen = (list(entries), list(map(id, entries.values())))
            version, known, snapshot = self._known.get(store, (0, None, None))
            if known != seen:
                version += 1
                snapshot = object.__new__(type(store))
                snapshot.store = entries
                self._known[store] = (version, seen, snapshot)
            return version, snapshot


_versions: Final = _Versions()


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


def _search(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    scope = current_scope()
    if scope is None:
        return wrapped(*args, **kwargs)
    engine = _engine(instance, scope.runtime)
    if scope.quiet:
        return watch(scope, engine, EngineKind.VECTOR_STORE, lambda: wrapped(*args, **kwargs))
    try:
        call = _asked(engine, instance, *args, **kwargs)
    except Exception:  # Whatever is wrong with it, the original will say.
        return wrapped(*args, **kwargs)
    ticket = scope.claim(call.key)
    hit = ticket.wait() if ticket is not None else None
    if hit is not None:
        return _own(hit.value)
    return observe(scope, call, EngineKind.VECTOR_STORE, lambda: wrapped(*args, **kwargs), _own)


def _asked(
    engine: str,
    store: Any,
    embedding: Any,
    k: int = 4,
    filter: Any = None,
) -> Call:
    from langchain_core.vectorstores import InMemoryVectorStore

    if filter is not None or type(store) is not InMemoryVectorStore:
        return Call(engine, (engine, "left to the original", object()), None)
    return search_call(engine, store, embedding, k)


BINDINGS: Final = (
    Binding(
        "LangChain's in-memory vector store",
        "langchain-core",
        CORE,
        (Target(_MODULE, f"InMemoryVectorStore.{_SEARCH}", _search),),
    ),
)

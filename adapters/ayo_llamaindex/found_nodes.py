"""Nodes that LlamaIndex's store in memory is asked for and has found: it knows ids, no texts.

The texts are its index's. Which that is, is told when a retriever is asked in a followed call. They
are looked up in document stores in memory only: any other might be a request of its own.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from ayo_bridge.bindings.binding import Target
from ayo_bridge.lift.stores import texts_of
from ayo_bridge.runahead import current_scope
from ayo_bridge.seam import FoundItem, new_lock

_RETRIEVER: Final = "llama_index.core.indices.vector_store.retrievers.retriever"


class _Kept(NamedTuple):
    """A store, and the index and the documents of which it has the vectors."""

    store: weakref.ref[Any]
    of: weakref.ref[Any]
    documents: weakref.ref[Any]


_kept: Final[dict[int, _Kept | None]] = {}
"""By the id of the store; ``None``: several indices share it, so nobody knows whose ids it has."""


def _tell(wrapped: Callable[..., Any], retriever: Any, args: Any, kwargs: Any) -> Any:
    scope = current_scope()
    if scope is not None and scope.follower is not None:
        try:
            _keep(retriever._vector_store, retriever._index, retriever._docstore)
        except (AttributeError, TypeError) as error:
            scope.note(f"the texts that a search finds are not known: {error!r}")
    return wrapped(*args, **kwargs)


def _keep(store: Any, index: Any, documents: Any) -> None:
    from llama_index.core.storage.docstore import SimpleDocumentStore

    key, known = id(store), _kept.get(id(store))
    if type(documents) is not SimpleDocumentStore or (known is None and key in _kept):
        return
    if known is not None and known.of() is not None:
        if known.documents() is not documents or known.of() is not index:
            _kept[key] = None
        return

    def forget(_: object) -> None:
        _kept.pop(key, None)

    _kept[key] = _Kept(weakref.ref(store, forget), weakref.ref(index), weakref.ref(documents))


def item_of(found: Any) -> FoundItem:
    """A node, with or without a score, as a value."""
    node = getattr(found, "node", found)
    return FoundItem(node.get_content(), node.node_id, texts_of(node.metadata))


def items_of(store: Any, ids: Iterable[Any]) -> tuple[FoundItem, ...]:
    """What a store has found by the ids of the nodes; of unknown ones no more than these."""
    kept = _kept.get(id(store))
    index, documents = (kept.of(), kept.documents()) if kept is not None else (None, None)
    if index is None or documents is None:
        return tuple(FoundItem("", str(name), {}) for name in ids)
    names = index.index_struct.nodes_dict
    nodes = [(name, documents.get_document(names.get(name, ""), raise_error=False)) for name in ids]
    return tuple(
        FoundItem("", str(name), {}) if node is None else item_of(node) for name, node in nodes
    )


_ALL: Final = "all"
_MOST_CHOICES: Final = 32
_choices: Final[dict[tuple[int, str], tuple[weakref.ref[Any], tuple[str, ...]]]] = {}
"""By the id of the store and the name."""
_lock: Final = new_lock()


def choice_of(store: Any, ids: Sequence[str]) -> str:
    """A name for the nodes among which a search looks: retrievers name all of their index.

    A request that held them all would say nothing more, and change with every node that is added.
    """
    there = store.data.embedding_dict
    whole = len(ids) >= len(there) and there.keys() <= set(ids)
    name = _ALL if whole else blake2b("\n".join(ids).encode(), digest_size=8).hexdigest()
    with _lock:
        _choices.pop((id(store), name), None)
        if len(_choices) >= _MOST_CHOICES:
            del _choices[next(iter(_choices))]
        _choices[id(store), name] = weakref.ref(store), tuple(ids)
    return name


def chosen(store: Any, name: str) -> list[str]:
    """The nodes that a search of the store by that name looked among last.

    Raises:
        ValueError: there was none of late.
    """
    known = _choices.get((id(store), name))
    if known is None or known[0]() is not store:
        raise ValueError("the nodes to search among are not known")
    return list(known[1])


TARGETS: Final = (
    Target(_RETRIEVER, "VectorIndexRetriever._get_nodes_with_embeddings", _tell),
    Target(_RETRIEVER, "VectorIndexRetriever._aget_nodes_with_embeddings", _tell),
)

"""Vector store retrievers: which embedding and which search they make for a query."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.graph import Op, Searching
from ayo_bridge.lift.lifted import Draft, MakerOf
from ayo_bridge.lift.makers import EmbedMaker, QueryEmbedding, RefusedMaker, SearchMaker
from ayo_bridge.lift.parts import Parts
from ayo_bridge.lift.recognise import class_of
from ayo_bridge.lift.store_asking import KnownStore
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead import Maker
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.values import Embedded
from ayo_bridge.schedule import ComponentOp
from ayo_bridge.seam import Call
from ayo_langchain.embeddings import embedding_differs, engine_of, query_embedding
from ayo_langchain.known import differs
from ayo_langchain.store_rows import known
from ayo_langchain.stores import search_call, store_differs, store_engine

RETRIEVER_METHODS: Final = (
    "invoke",
    "ainvoke",
    "_get_relevant_documents",
    "_aget_relevant_documents",
)


@dataclass(frozen=True, slots=True)
class VectorSearch:
    """What a ``VectorStoreRetriever`` does: names of its engines, and the object itself.

    ``known`` is the row of its store; ``None``: that is in memory.
    """

    retriever: Any
    embedding: str
    store: str
    runtime: Home
    known: KnownStore | None = None

    @property
    def top_k(self) -> int:
        """How many documents it asks for."""
        k = self.retriever.search_kwargs.get("k", 4)
        return k if isinstance(k, int) else 4

    def component(
        self, name: str, inputs: tuple[str, ...], queries: int, *, concurrent: bool = False
    ) -> Searching:
        """Its part of a template."""
        return Searching(
            name=name,
            embedding=self.embedding,
            store=self.store,
            queries=queries,
            top_k=self.top_k,
            inputs=inputs,
            outputs=(f"{name}.hits",),
            concurrent=concurrent,
        )

    def refusal(self) -> str | None:
        """Why nothing of it is done early, or ``None``."""
        from langchain_core.vectorstores import VectorStoreRetriever

        retriever = self.retriever
        store = retriever.vectorstore
        return (
            differs(retriever, VectorStoreRetriever, *RETRIEVER_METHODS)
            or _search_differs(retriever, plain=self.known is None)
            or (store_differs(store) if self.known is None else self.known.refusal(store, differs))
            or embedding_differs(store.embeddings)
        )

    def makers(self, name: str) -> dict[ComponentOp, MakerOf]:
        """What makes its calls ahead."""
        return {
            (name, Op.EMBEDDING): lambda asked: EmbedMaker(self._model(asked.sync)),
            (name, Op.SEARCHING): lambda asked: self._searching(asked.sync),
        }

    def _model(self, sync: bool) -> QueryEmbedding:
        model = self.retriever.vectorstore.embeddings
        awaited = not sync if self.known is None else self.known.awaits[not sync]
        return query_embedding(model, self.embedding, self.runtime, sync=not awaited)

    def _searching(self, sync: bool) -> Maker:
        if self.known is not None and not sync and self.known.not_awaited:
            return RefusedMaker(self.known.not_awaited)
        return SearchMaker(self._search)

    def _search(self, query: Embedded) -> Call:
        store = self.retriever.vectorstore
        if self.known is None:
            return search_call(self.store, store, query.vector, self.top_k)
        settings = self.retriever.search_kwargs
        return self.known.call(self.store, store, (query.text,), settings, query.vector)


def lift_vector_retriever(retriever: Any, runtime: Home) -> VectorSearch | str:
    """Lift a ``VectorStoreRetriever``, or say why nothing is known of it."""
    from langchain_core.vectorstores import VectorStoreRetriever

    if class_of(saw(retriever)) is not VectorStoreRetriever:
        return f"{class_of(retriever).__name__} is not a known retriever"
    row = known(retriever.vectorstore)
    unknown = None if row is None else row.unknown(retriever.vectorstore)
    if unknown is not None:
        return unknown
    store = (
        store_engine(retriever.vectorstore, runtime)
        if row is None
        else row.engine(retriever.vectorstore, runtime)
    )
    if store is None:
        return f"{type(retriever.vectorstore).__name__} is not a known vector store"
    model = retriever.vectorstore.embeddings
    embedding = engine_of(model, runtime)
    if embedding is None:
        return f"{type(model).__name__} is not a known embedding model"
    return VectorSearch(retriever, embedding, store, runtime, row)


def add_search(
    draft: Draft,
    search: VectorSearch,
    parts: Parts,
    name: str,
    inputs: tuple[str, ...],
    queries: int = 1,
    *,
    concurrent: bool = False,
    after: Iterable[str] = (),
) -> bool:
    """Add a component that searches with these values; returns whether it may run ahead."""
    draft.covers.add(id(search.retriever))
    draft.add(search.component(name, inputs, queries, concurrent=concurrent), after)
    refusal = parts.once(_refusal, search)
    if refusal is None:
        draft.makers.update(search.makers(name))
    else:
        draft.note(f"{name.removeprefix(draft.prefix)} is left to the original: {refusal}.")
    return refusal is None


def _refusal(search: VectorSearch, runtime: Home) -> str | None:
    return search.refusal()


def _search_differs(retriever: Any, *, plain: bool) -> str | None:
    """Why a search is not known; ``plain``: only its number of documents may be given."""
    if retriever.search_type != "similarity":
        return f"a search of type {retriever.search_type} is not known"
    unknown = sorted(set(retriever.search_kwargs) - {"k"})
    if plain and unknown:
        return f"the search has parameters beside k: {', '.join(unknown)}"
    if type(retriever.search_kwargs.get("k", 4)) is not int:
        return "the number of documents to find is not a plain number"
    return None

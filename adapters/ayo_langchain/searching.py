"""Vector store retrievers: which embedding and which search they make for a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.bindings.binding import unfollowed
from ayo_bridge.bindings.sentence_transformer import BINDINGS as MODEL_BINDINGS
from ayo_bridge.engines.registered_models import engine_for
from ayo_bridge.engines.sentence_transformer import embedding_call
from ayo_bridge.graph import Op, Searching
from ayo_bridge.runahead import Maker, MakerKey
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.values import Embedded
from ayo_bridge.schedule import Values, Work
from ayo_bridge.seam import Call
from ayo_langchain.exact import class_of, differs
from ayo_langchain.stores import search_call, store_differs, store_engine

RETRIEVER_METHODS: Final = (
    "invoke",
    "ainvoke",
    "_get_relevant_documents",
    "_aget_relevant_documents",
)


@dataclass(frozen=True, slots=True)
class VectorSearch:
    """What a ``VectorStoreRetriever`` does: names of its engines, and the object itself."""

    retriever: Any
    embedding: str
    store: str

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
            or _search_differs(retriever)
            or store_differs(store)
            or _embedding_differs(store.embedding)
            or unfollowed(MODEL_BINDINGS)
        )

    def makers(self, name: str) -> dict[MakerKey, Maker]:
        """What makes its calls ahead."""
        store = self.retriever.vectorstore
        return {
            (name, Op.EMBEDDING): EmbedMaker(_embed_query(store.embedding, self.embedding)),
            (name, Op.SEARCHING): SearchMaker(self.store, store, self.top_k),
        }


def lift_vector_retriever(retriever: Any, runtime: Home) -> VectorSearch | str:
    """Lift a ``VectorStoreRetriever``, or say why nothing is known of it."""
    from langchain_core.vectorstores import VectorStoreRetriever

    if class_of(retriever) is not VectorStoreRetriever:
        return f"{class_of(retriever).__name__} is not a known retriever"
    store = store_engine(retriever.vectorstore, runtime)
    if store is None:
        return f"{type(retriever.vectorstore).__name__} is not a known vector store"
    model = retriever.vectorstore.embedding
    if not _is_sentence_transformer(model):
        return f"{type(model).__name__} is not a known embedding model"
    return VectorSearch(retriever, engine_for(model._client, runtime), store)


def _search_differs(retriever: Any) -> str | None:
    if retriever.search_type != "similarity":
        return f"a search of type {retriever.search_type} is not known"
    unknown = sorted(set(retriever.search_kwargs) - {"k"})
    if unknown:
        return f"the search has parameters beside k: {', '.join(unknown)}"
    if type(retriever.search_kwargs.get("k", 4)) is not int:
        return "the number of documents to find is not a plain number"
    return None


# Embedding models.


def _is_sentence_transformer(model: Any) -> bool:
    try:
        from langchain_huggingface import HuggingFaceEmbeddings
    except ImportError:
        return False
    return isinstance(model, HuggingFaceEmbeddings)


def _embedding_differs(model: Any) -> str | None:
    from langchain_huggingface import HuggingFaceEmbeddings

    reason = differs(model, HuggingFaceEmbeddings, "embed_query", "aembed_query", "_embed")
    if reason is None and model.multi_process:
        reason = "the embedding model runs a process pool of its own"
    return reason


def _embed_query(model: Any, engine: str) -> Callable[[str], Call]:
    def call(text: str) -> Call:
        # As langchain-huggingface 1.2.3 calls it (embeddings/huggingface.py, _embed).
        arguments = model.query_encode_kwargs or model.encode_kwargs
        return embedding_call(
            engine,
            model._client,
            [text.replace("\n", " ")],
            {"show_progress_bar": model.show_progress, **arguments},
        )

    return call


# Makers.


class EmbedMaker:
    """Embeds each query with a call of its own, as the vector store does."""

    def __init__(self, call: Callable[[str], Call]) -> None:
        self._call = call
        self._texts: dict[str, list[str]] = {}

    def calls(self, work: Work) -> Sequence[Call]:
        """A call for each text."""
        texts = [str(text) for text in work.items()]
        self._texts[work.primitive.id] = texts
        return [self._call(text) for text in texts]

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """The texts with their vectors."""
        texts = self._texts.pop(work.primitive.id, [])
        vectors = [result.tolist()[0] for result in results]  # type: ignore[attr-defined]
        return work.output(map(Embedded, texts, vectors))


class SearchMaker:
    """Searches with each embedded query, as the retriever does."""

    def __init__(self, engine: str, store: Any, k: int) -> None:
        self._engine = engine
        self._store = store
        self._k = k

    def calls(self, work: Work) -> Sequence[Call]:
        """A call for each vector."""
        return [
            search_call(self._engine, self._store, query.vector, self._k)
            for query in work.items()
            if isinstance(query, Embedded)
        ]

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """The hits of each."""
        return work.output(results)

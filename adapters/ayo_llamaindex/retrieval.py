"""Retrievers: which embeddings and searches they make for a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ayo_bridge.bindings.binding import unfollowed
from ayo_bridge.bindings.sentence_transformer import BINDINGS as MODEL_BINDINGS
from ayo_bridge.engines.openai_http import LineItems
from ayo_bridge.engines.registered_models import engine_for
from ayo_bridge.engines.sentence_transformer import embedding_call
from ayo_bridge.graph import (
    Component,
    Op,
    Opaque,
    QueryExpansion,
    Searching,
)
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead import Maker, MakerKey
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.values import Embedded
from ayo_bridge.schedule import Values, Work
from ayo_bridge.seam import Call
from ayo_llamaindex.exact import differs, plain_class
from ayo_llamaindex.llms import LiftedLLM, lift_llm
from ayo_llamaindex.stores import lift_store, search_call

MakerOf = Callable[[str], Maker]
"""The maker for one call, which asks this question."""

QUERIES = "expand.queries"
"""The graph value of the generated queries, in order."""


@dataclass(slots=True)
class LiftedRetrieval:
    """What a retriever contributes to a template."""

    components: list[Component] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)
    makers: dict[MakerKey, MakerOf] = field(default_factory=dict)
    fusion: Any = None
    """The ``QueryFusionRetriever`` whose generated queries feed the graph, if there is one."""

    def then(self, component: Component) -> None:
        """Append a component that runs after all so far."""
        if self.components:
            self.edges.append((self.components[-1].name, component.name))
        self.components.append(component)


# Embedding models.


@dataclass(frozen=True, slots=True)
class QueryEmbedding:
    """How an embedding model embeds one query: by an engine call, or by a pure function."""

    engine: str
    call: Callable[[str], Call] | None
    compute: Callable[[str], list[float]] | None = None


def lift_embedding(model: Any, runtime: Home) -> QueryEmbedding | str:
    """Lift an embedding model, or say why it is left to run as it is."""
    from llama_index.core.embeddings import MockEmbedding

    shared = ("get_query_embedding", "aget_query_embedding", "get_agg_embedding_from_queries")
    if getattr(saw(model), "rate_limiter", None) is not None:
        return "the embedding model has a rate limiter"
    if getattr(model, "embeddings_cache", None) is not None:
        return "the embedding model has a cache"
    if type(model) is MockEmbedding:
        reason = differs(model, MockEmbedding, "_get_query_embedding", "_get_vector", *shared)
        return reason or QueryEmbedding("embedding:mock", None, lambda _: model._get_vector())
    try:
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    except ImportError:
        return f"{type(model).__name__} is not a known embedding model"
    reason = differs(
        model,
        HuggingFaceEmbedding,
        "_get_query_embedding",
        "_aget_query_embedding",
        "_embed",
        "_embed_with_retry",
        *shared,
    )
    if reason is not None:
        return reason
    reason = unfollowed(MODEL_BINDINGS)
    if reason is not None:
        return reason
    if model._parallel_process:
        return "the embedding model runs a process pool of its own"
    engine = engine_for(model._model, runtime)

    def call(text: str) -> Call:
        # As llama-index-embeddings-huggingface 0.8.0 calls it (base.py, _embed_with_retry).
        return embedding_call(
            engine,
            model._model,
            [text],
            {
                "batch_size": model.embed_batch_size,
                "prompt_name": "query",
                "normalize_embeddings": model.normalize,
                "show_progress_bar": model.show_progress_bar,
            },
        )

    return QueryEmbedding(engine, call)


class EmbedMaker:
    """Embeds each query with a call of its own, as the retriever does."""

    def __init__(self, embedding: QueryEmbedding) -> None:
        self._embedding = embedding
        self._texts: dict[str, list[str]] = {}

    def calls(self, work: Work) -> Sequence[Call]:
        """One call a text."""
        texts = [str(text) for text in work.items()]
        self._texts[work.primitive.id] = texts
        return [self._embedding.call(t) for t in texts] if self._embedding.call else []

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """The texts with their embeddings."""
        texts = self._texts.pop(work.primitive.id, [])
        if self._embedding.compute is not None:
            vectors = [self._embedding.compute(text) for text in texts]
        else:
            vectors = [result.tolist()[0] for result in results]  # type: ignore[attr-defined]
        # The framework averages the embeddings of a query's strings; here there is one.
        embedded = [
            Embedded(text, _mean_of_one(vector))
            for text, vector in zip(texts, vectors, strict=True)
        ]
        return work.output(embedded)


def _mean_of_one(vector: list[float]) -> list[float]:
    from llama_index.core.base.embeddings.base import mean_agg

    return list(mean_agg([vector]))


# Vector index retrievers.


class SearchMaker:
    """Searches with each embedded query, as the retriever does."""

    def __init__(self, retriever: Any, engine: str, *, awaited: bool) -> None:
        self._retriever = retriever
        self._engine = engine
        self._awaited = awaited

    def calls(self, work: Work) -> Sequence[Call]:
        """One search an embedded query."""
        from llama_index.core.schema import QueryBundle

        retriever = self._retriever
        return [
            search_call(
                self._engine,
                retriever._vector_store,
                retriever._build_vector_store_query(
                    QueryBundle(query_str=query.text, embedding=query.vector)  # type: ignore[attr-defined]
                ),
                retriever._kwargs,
                awaited=self._awaited,
            )
            for query in work.items()
        ]

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """The search results, one a query."""
        return work.output(results)


def lift_vector_retriever(
    retriever: Any,
    runtime: Home,
    name: str,
    queries: tuple[str, ...],
    count: int,
    *,
    awaited: bool,
) -> tuple[Searching, dict[MakerKey, MakerOf]] | str:
    """Lift a ``VectorIndexRetriever`` that searches with the values ``queries``, or say why not.

    ``awaited`` says that it is called by ``aretrieve``, with all queries at once.
    """
    from llama_index.core.indices.vector_store.retrievers import VectorIndexRetriever

    reason = differs(
        retriever,
        VectorIndexRetriever,
        "retrieve",
        "aretrieve",
        "_retrieve",
        "_aretrieve",
        "_needs_embedding",
        "_build_vector_store_query",
        "_get_nodes_with_embeddings",
        "_aget_nodes_with_embeddings",
    )
    if reason is not None:
        return reason
    store = lift_store(retriever._vector_store, runtime)
    if store.reason is not None:
        return store.reason
    if not retriever._needs_embedding():
        return "the store is searched by text"
    embedding = lift_embedding(retriever._embed_model, runtime)
    if isinstance(embedding, str):
        return embedding
    component = Searching(
        name=name,
        embedding=embedding.engine,
        store=store.engine,
        queries=count,
        top_k=retriever._similarity_top_k,
        inputs=queries,
        concurrent=awaited,
    )
    makers: dict[MakerKey, MakerOf] = {
        (name, Op.EMBEDDING): lambda _: EmbedMaker(embedding),
        (name, Op.SEARCHING): lambda _: SearchMaker(retriever, store.engine, awaited=awaited),
    }
    return component, makers


# Fusion.


class ExpansionMaker:
    """Asks the LLM for further queries; streams where that is proven, to see each early."""

    def __init__(self, llm: LiftedLLM, retriever: Any, question: str) -> None:
        self._llm = llm
        self._retriever = retriever
        self._question = question

    def calls(self, work: Work) -> Sequence[Call]:
        """The call that asks for queries."""
        wanted = self._retriever.num_queries - 1
        text = self._retriever.query_gen_prompt.format(num_queries=wanted, query=self._question)
        parser = LineItems(limit=wanted, strip="`")

        def on_text(so_far: str) -> None:
            found = parser.feed(so_far)
            if found:
                work.feed({f"{QUERIES}[{index}]": item for index, item in found})

        return [self._llm.complete(text, on_text=on_text)]

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """Nothing: the framework's own parser says what the queries are."""
        return {}


def lift_retriever(retriever: Any, runtime: Home, *, sync: bool) -> LiftedRetrieval:
    """Lift any retriever; what is not known becomes an opaque component with the reason."""
    from llama_index.core.retrievers import QueryFusionRetriever, VectorIndexRetriever

    lifted = LiftedRetrieval()
    cls = plain_class(saw(retriever))
    if cls is QueryFusionRetriever:
        reason = _lift_fusion(retriever, runtime, sync, lifted)
    elif cls is VectorIndexRetriever:
        reason = "the retriever resolves index nodes" if retriever.object_map else None
        found = reason or lift_vector_retriever(
            retriever, runtime, "search", ("question",), 1, awaited=not sync
        )
        if isinstance(found, str):
            reason = found
        else:
            lifted.then(found[0])
            lifted.makers.update(found[1])
    else:
        reason = f"{type(retriever).__name__} is not a known retriever"
    if reason is not None:
        lifted = LiftedRetrieval()
        lifted.then(Opaque(name="retriever", reason=reason))
    return lifted


def _lift_fusion(retriever: Any, runtime: Home, sync: bool, lifted: LiftedRetrieval) -> str | None:
    from llama_index.core.retrievers import QueryFusionRetriever

    reason = differs(
        retriever,
        QueryFusionRetriever,
        "retrieve",
        "aretrieve",
        "_retrieve",
        "_aretrieve",
        "_get_queries",
        "_aget_queries",
        "_run_sync_queries",
        "_run_nested_async_queries",
        "_run_async_queries",
    )
    if reason is not None:
        return reason
    if retriever.object_map:
        return "the retriever resolves index nodes"
    if not isinstance(retriever.query_gen_prompt, str):
        return "the query generation prompt is not a string"
    queries: tuple[str, ...] = ("question",)
    wanted = retriever.num_queries - 1
    if wanted > 0:
        llm = lift_llm(retriever._llm, runtime)
        if isinstance(llm, str):
            lifted.then(Opaque(name="expand", outputs=(QUERIES,), reason=llm))
        else:
            lifted.then(
                QueryExpansion(name="expand", llm=llm.engine, queries=wanted, outputs=(QUERIES,))
            )
            llm.prove(runtime)
            asks = partial(ExpansionMaker, llm, retriever)
            lifted.makers["expand", Op.PREFILLING] = asks
        queries = ("question", QUERIES)
        lifted.fusion = retriever
    one_by_one = sync and not retriever.use_async
    for index, inner in enumerate(retriever._retrievers):
        name = f"search{index}" if len(retriever._retrievers) > 1 else "search"
        found = lift_vector_retriever(
            inner, runtime, name, queries, wanted + 1, awaited=not one_by_one
        )
        if isinstance(found, str) or (one_by_one and index > 0 and inner.object_map):
            reason = found if isinstance(found, str) else "the retriever resolves index nodes"
            lifted.then(Opaque(name=name, reason=reason))
            continue
        component, makers = found
        if one_by_one and index > 0 and isinstance(lifted.components[-index], Searching):
            # The first retriever leaves its embedding in the query bundle; later ones use it.
            first = lifted.components[-index].name
            component = Searching(
                name=name,
                embedding="",
                store=component.store,
                queries=component.queries,
                top_k=component.top_k,
                inputs=(f"{first}.vectors",),
            )
            makers.pop((name, Op.EMBEDDING))
        lifted.then(component)
        lifted.makers.update(makers)
    lifted.then(Opaque(name="fuse", pure=True))
    return None

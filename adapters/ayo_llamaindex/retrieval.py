"""Retrievers: which embeddings and searches they make for a query."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from ayo_bridge.graph import Op, Opaque, QueryExpansion, Searching
from ayo_bridge.lift.lifted import Asked, Draft, MakerOf
from ayo_bridge.lift.llm import LineItems
from ayo_bridge.lift.makers import EmbedMaker, ExpansionMaker, SearchMaker
from ayo_bridge.lift.recognise import class_of
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.values import Embedded
from ayo_bridge.schedule import ComponentOp
from ayo_bridge.seam import Call
from ayo_llamaindex.embeddings import lift_embedding
from ayo_llamaindex.known import differs
from ayo_llamaindex.llms import LiftedLLM, lift_llm
from ayo_llamaindex.stores import lift_store, search_call

QUESTION: Final = "question"
"""The graph value of the query's text."""
QUERIES: Final = "expand.queries"
"""The graph value of the generated queries, in order."""

_VECTOR_METHODS: Final = (
    *("retrieve", "aretrieve", "_retrieve", "_aretrieve", "_needs_embedding"),
    *("_build_vector_store_query", "_get_nodes_with_embeddings", "_aget_nodes_with_embeddings"),
)
_FUSION_METHODS: Final = (
    *("retrieve", "aretrieve", "_retrieve", "_aretrieve", "_get_queries", "_aget_queries"),
    *("_run_sync_queries", "_run_nested_async_queries", "_run_async_queries"),
)


# Vector index retrievers.


def _search(retriever: Any, engine: str, awaited: bool, query: Embedded) -> Call:
    from llama_index.core.schema import QueryBundle

    bundle = QueryBundle(query_str=query.text, embedding=query.vector)
    return search_call(
        engine,
        retriever._vector_store,
        retriever._build_vector_store_query(bundle),
        retriever._kwargs,
        awaited=awaited,
    )


def _lift_vector_retriever(
    retriever: Any, runtime: Home, name: str, queries: tuple[str, ...], count: int, *, awaited: bool
) -> tuple[Searching, dict[ComponentOp, MakerOf]] | str:
    """Lift a ``VectorIndexRetriever`` that searches with the values ``queries``, or say why not.

    ``awaited`` says that it is called by ``aretrieve``, with all queries at once.
    """
    from llama_index.core.indices.vector_store.retrievers import VectorIndexRetriever

    reason = differs(retriever, VectorIndexRetriever, *_VECTOR_METHODS)
    if reason is not None:
        return reason
    store = lift_store(retriever._vector_store, runtime, awaited=awaited)
    if store.reason is not None:
        return store.reason
    if not retriever._needs_embedding():
        return "the store is searched by text"
    embedding = lift_embedding(retriever._embed_model, runtime, sync=not awaited)
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
    search = partial(_search, retriever, store.engine, awaited)
    makers: dict[ComponentOp, MakerOf] = {
        (name, Op.EMBEDDING): lambda _: EmbedMaker(embedding),
        (name, Op.SEARCHING): lambda _: SearchMaker(search),
    }
    return component, makers


def lift_retriever(draft: Draft, retriever: Any, runtime: Home, asked: Asked) -> Any:
    """Lift any retriever; what is not known becomes an opaque component with the reason.

    Returns:
        The ``QueryFusionRetriever`` whose generated queries feed the graph, if there is one.
    """
    from llama_index.core.retrievers import QueryFusionRetriever, VectorIndexRetriever

    cls = class_of(saw(retriever))
    reason: str | None = None
    if cls is QueryFusionRetriever:
        reason = _fusion_differs(retriever)
        if reason is None:
            draft.covers.add(id(retriever))
            return _lift_fusion(draft, retriever, runtime, asked)
    elif cls is VectorIndexRetriever:
        reason = "the retriever resolves index nodes" if retriever.object_map else None
        found = reason or _lift_vector_retriever(
            retriever, runtime, "search", (QUESTION,), 1, awaited=not asked.sync
        )
        if not isinstance(found, str):
            draft.covers.add(id(retriever))
            draft.then(found[0])
            draft.makers.update(found[1])
            return None
        reason = found
    else:
        reason = f"{type(retriever).__name__} is not a known retriever"
    draft.then(Opaque(name="retriever", reason=reason))
    return None


# Fusion.


def _ended_lines(text: str) -> list[str]:
    """Lines that have ended: what is stripped off the end of the whole never crosses a break."""
    return text.lstrip("`").split("\n")[:-1]


def _without_blanks(lines: list[str]) -> list[str]:
    return [line for line in map(str.strip, lines) if line]


def _ask(llm: LiftedLLM, retriever: Any, asked: Asked) -> ExpansionMaker:
    """Asks for further queries, parsed as ``_get_queries`` does (llama-index-core 0.14)."""
    wanted = retriever.num_queries - 1
    question = asked.values[QUESTION]

    def ask(_: object, on_text: Any) -> Call:
        text = retriever.query_gen_prompt.format(num_queries=wanted, query=question)
        return llm.complete(text, on_text)

    return ExpansionMaker(ask, LineItems(_ended_lines, _without_blanks, wanted), QUERIES)


def _fusion_differs(retriever: Any) -> str | None:
    from llama_index.core.retrievers import QueryFusionRetriever

    reason = differs(retriever, QueryFusionRetriever, *_FUSION_METHODS)
    if reason is None and retriever.object_map:
        reason = "the retriever resolves index nodes"
    if reason is None and not isinstance(retriever.query_gen_prompt, str):
        reason = "the query generation prompt is not a string"
    return reason


def _lift_fusion(draft: Draft, retriever: Any, runtime: Home, asked: Asked) -> Any:
    wanted = retriever.num_queries - 1
    draft.leads = True
    queries: tuple[str, ...] = (QUESTION,)
    if wanted > 0:
        queries = (QUESTION, QUERIES)
        _lift_expansion(draft, retriever, runtime, wanted, asked.sync)
    one_by_one = asked.sync and not retriever.use_async
    first: Searching | None = None
    for index, inner in enumerate(retriever._retrievers):
        name = f"search{index}" if len(retriever._retrievers) > 1 else "search"
        found = _lift_vector_retriever(
            inner, runtime, name, queries, wanted + 1, awaited=not one_by_one
        )
        if not isinstance(found, str) and one_by_one and index > 0 and inner.object_map:
            found = "the retriever resolves index nodes"
        if isinstance(found, str):
            draft.then(Opaque(name=name, reason=found))
            continue
        component, makers = found
        draft.covers.add(id(inner))
        if one_by_one and index > 0 and first is not None:
            # The first retriever leaves its embedding in the query bundle; later ones use it.
            component = _with_vectors_of(first, component)
            makers.pop((name, Op.EMBEDDING))
        if index == 0:
            first = component
        draft.then(component)
        draft.makers.update(makers)
    draft.then(Opaque(name="fuse", pure=True))
    return retriever if wanted > 0 else None


def _with_vectors_of(first: Searching, search: Searching) -> Searching:
    return Searching(
        name=search.name,
        embedding="",
        store=search.store,
        queries=search.queries,
        top_k=search.top_k,
        inputs=(f"{first.name}.vectors",),
    )


def _lift_expansion(draft: Draft, retriever: Any, runtime: Home, wanted: int, sync: bool) -> None:
    llm = lift_llm(retriever._llm, runtime, sync=sync)
    if isinstance(llm, str):
        draft.then(Opaque(name="expand", outputs=(QUERIES,), reason=llm))
        return
    expand = QueryExpansion(name="expand", llm=llm.engine, queries=wanted, outputs=(QUERIES,))
    draft.then(expand)
    llm.prove()
    draft.makers["expand", Op.PREFILLING] = partial(_ask, llm, retriever)

"""From a LlamaIndex object to its module template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ayo_bridge.engines.registered_models import cross_encoder_for
from ayo_bridge.graph import Component, Opaque, Reranking, Template
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead.home import Home
from ayo_llamaindex.exact import overridden, plain_class
from ayo_llamaindex.retrieval import LiftedRetrieval, lift_retriever
from ayo_llamaindex.synthesis import LiftedSynthesis, lift_synthesizer


@dataclass(frozen=True, slots=True)
class Lifted:
    """A template with what is needed to follow the calls of it."""

    template: Template
    retrieval: LiftedRetrieval
    synthesis: LiftedSynthesis


def lift_query_engine(engine: Any, runtime: Home, *, sync: bool) -> Lifted:
    """Lift a query engine. What is not known runs as opaque work, with the reason."""
    from llama_index.core.query_engine import RetrieverQueryEngine

    base = plain_class(saw(engine))
    reason: str | None = None
    if base is not RetrieverQueryEngine:
        reason = f"{base.__name__} is not a known query engine"
    else:
        reason = overridden(
            engine,
            "_query",
            "_aquery",
            "retrieve",
            "aretrieve",
            "_apply_node_postprocessors",
            "_async_apply_node_postprocessors",
        )
    if reason is not None:
        retrieval = LiftedRetrieval()
        retrieval.then(Opaque(name="engine", reason=reason))
        synthesis = LiftedSynthesis(None, Opaque(name="synthesis", reason=reason))
        return Lifted(_template(base.__name__, retrieval, ()), retrieval, synthesis)
    retrieval = lift_retriever(engine._retriever, runtime, sync=sync)
    synthesis = lift_synthesizer(engine._response_synthesizer, runtime, sync=sync)
    after = [
        *(
            _lift_postprocessor(postprocessor, runtime, index)
            for index, postprocessor in enumerate(engine._node_postprocessors)
        ),
        synthesis.component,
    ]
    return Lifted(_template(base.__name__, retrieval, after), retrieval, synthesis)


def lift_retrieval(retriever: Any, runtime: Home, *, sync: bool) -> Lifted:
    """Lift a retriever that is called by itself."""
    retrieval = lift_retriever(retriever, runtime, sync=sync)
    synthesis = LiftedSynthesis(None, Opaque(name="synthesis"))
    name = plain_class(retriever).__name__
    return Lifted(_template(name, retrieval, ()), retrieval, synthesis)


def _template(name: str, retrieval: LiftedRetrieval, after: Sequence[Component]) -> Template:
    components = [*retrieval.components]
    edges = [*retrieval.edges]
    for component in after:
        edges.append((components[-1].name, component.name))
        components.append(component)
    return Template(tuple(components), tuple(edges), ("question",), name)


def _lift_postprocessor(postprocessor: Any, runtime: Home, index: int) -> Component:
    from llama_index.core.postprocessor import SimilarityPostprocessor

    name = f"postprocess{index}"
    if type(postprocessor) is SimilarityPostprocessor:
        reason = overridden(postprocessor, "_postprocess_nodes", "postprocess_nodes")
        return Opaque(name=name, pure=reason is None, reason=reason or "")
    if type(postprocessor) in _rerankers():
        reason = overridden(postprocessor, "_postprocess_nodes", "postprocess_nodes")
        if reason is None:
            engine = cross_encoder_for(postprocessor._model, runtime)
            name = f"rerank{index}" if index else "rerank"
            return Reranking(name=name, reranker=engine, top_n=postprocessor.top_n)
        return Opaque(name=name, reason=reason)
    reason = f"{type(postprocessor).__name__} is not a known postprocessor"
    return Opaque(name=name, reason=reason)


def _rerankers() -> list[type]:
    """Both copies of ``SentenceTransformerRerank``: the core's and the package's."""
    found: list[type] = []
    for module in (
        "llama_index.core.postprocessor.sbert_rerank",
        "llama_index.postprocessor.sbert_rerank.base",
    ):
        try:
            found.append(__import__(module, fromlist=["x"]).SentenceTransformerRerank)
        except ImportError:
            continue
    return found

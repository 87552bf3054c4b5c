"""Query engines and retrievers, from the object to what it consists of.

Of other objects nothing is known but that they are called.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ayo_bridge.engines.registered_models import cross_encoder_for
from ayo_bridge.graph import Component, Opaque, Reranking
from ayo_bridge.lift.lifted import Asked, Draft, Lifted
from ayo_bridge.lift.recognise import class_of, loaded
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead import AcceleratedState
from ayo_bridge.runahead.home import Home
from ayo_llamaindex.guide import Guide
from ayo_llamaindex.known import overridden
from ayo_llamaindex.opaque import asks_llm
from ayo_llamaindex.retrieval import QUESTION, lift_retriever
from ayo_llamaindex.synthesis import LiftedSynthesis, lift_synthesizer

_ENGINE_METHODS: Final = (
    "query",
    "aquery",
    "_query",
    "_aquery",
    "retrieve",
    "aretrieve",
    "_apply_node_postprocessors",
    "_async_apply_node_postprocessors",
)
_POSTPROCESSOR_METHODS: Final = ("_postprocess_nodes", "postprocess_nodes")


def lift(obj: Any, state: AcceleratedState, asked: Asked) -> Lifted:
    """Lift a query engine or a retriever; what is not known is opaque, with the reason."""
    from llama_index.core.base.base_query_engine import BaseQueryEngine
    from llama_index.core.base.base_retriever import BaseRetriever

    draft, runtime = Draft(inputs=[QUESTION], covers={id(obj)}), state.runtime
    if isinstance(obj, BaseQueryEngine):
        fusion, synthesis = _lift_query_engine(draft, obj, runtime, asked)
    elif isinstance(obj, BaseRetriever):
        fusion, synthesis = lift_retriever(draft, obj, runtime, asked), LiftedSynthesis(None, None)
    else:
        fusion, synthesis = None, LiftedSynthesis(None, None)
        draft.then(Opaque(name="call"))
    asking = tuple(draft.asking)
    return draft.lifted(
        class_of(obj).__name__, lambda scope, _: Guide(scope, state, fusion, synthesis, asking)
    )


def _lift_query_engine(
    draft: Draft, engine: Any, runtime: Home, asked: Asked
) -> tuple[Any, LiftedSynthesis]:
    from llama_index.core.query_engine import RetrieverQueryEngine

    base = class_of(saw(engine))
    if base is RetrieverQueryEngine:
        reason = overridden(engine, *_ENGINE_METHODS)
    else:
        reason = f"{base.__name__} is not a known query engine"
    if reason is not None:
        draft.then(Opaque(name="engine", reason=reason))
        return None, LiftedSynthesis(None, None)
    fusion = lift_retriever(draft, engine._retriever, runtime, asked)
    _left(draft, engine._retriever)
    for index, postprocessor in enumerate(engine._node_postprocessors):
        draft.then(_lift_postprocessor(postprocessor, runtime, index))
        _left(draft, postprocessor)
    synthesis = lift_synthesizer(draft, engine._response_synthesizer, runtime, asked)
    _left(draft, engine._response_synthesizer)
    return fusion, synthesis


def _left(draft: Draft, part: Any) -> None:
    """The part that was added last: opaque, it is learned if it asks an LLM."""
    last = draft.components[-1]
    if isinstance(last, Opaque) and not last.pure and asks_llm(part):
        draft.asking.append(part)
        draft.components[-1] = replace(last, reason=f"{last.reason}; what it asks is learned")


def _lift_postprocessor(postprocessor: Any, runtime: Home, index: int) -> Component:
    from llama_index.core.postprocessor import SimilarityPostprocessor

    name = f"postprocess{index}"
    known = type(postprocessor) in (SimilarityPostprocessor, *_rerankers())
    if known:
        reason = overridden(postprocessor, *_POSTPROCESSOR_METHODS)
    else:
        reason = f"{type(postprocessor).__name__} is not a known postprocessor"
    if reason is not None:
        return Opaque(name=name, reason=reason)
    if type(postprocessor) is SimilarityPostprocessor:
        return Opaque(name=name, pure=True)
    engine = cross_encoder_for(postprocessor._model, runtime)
    name = f"rerank{index}" if index else "rerank"
    return Reranking(name=name, reranker=engine, top_n=postprocessor.top_n)


def _rerankers() -> list[type]:
    """Both copies of ``SentenceTransformerRerank`` that are loaded: the core's, the package's."""
    return [cls for module in _RERANKERS if (cls := loaded(module, "SentenceTransformerRerank"))]


_RERANKERS: Final = (
    "llama_index.core.postprocessor.sbert_rerank",
    "llama_index.postprocessor.sbert_rerank.base",
)

"""Which extractors are known, and lifting them.

Written for llama-index-core 0.14.25.
"""

from __future__ import annotations

from typing import Any, Final

from ayo_bridge.lift.recognise import class_of, loaded
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead.home import Home
from ayo_llamaindex.contexts import Contexts, contexts_differ
from ayo_llamaindex.extractors import Kind, LiftedExtractor, PerNode, Summaries, Titles
from ayo_llamaindex.known import differs
from ayo_llamaindex.llms import lift_llm

_METHODS: Final = (
    *("aextract", "extract", "_aextract_with_retry", "process_nodes", "aprocess_nodes"),
    *("__call__", "acall"),
)
_KINDS: Final = {
    "TitleExtractor": Kind(
        "title",
        Titles,
        methods=("separate_nodes_by_ref_id", "extract_titles", "get_title_candidates"),
    ),
    "KeywordExtractor": Kind(
        "keywords",
        PerNode,
        "excerpt_keywords",
        ("keywords", "keywords"),
        ("_aextract_keywords_from_node",),
    ),
    "QuestionsAnsweredExtractor": Kind(
        "questions",
        PerNode,
        "questions_this_excerpt_can_answer",
        ("num_questions", "questions"),
        ("_aextract_questions_from_node",),
    ),
    "SummaryExtractor": Kind("summary", Summaries, methods=("_agenerate_node_summary",)),
    "DocumentContextExtractor": Kind(
        "context",
        Contexts,
        methods=("_agenerate_node_context", "_get_document"),
        module="llama_index.core.extractors.document_context",
    ),
}


def lift_extractor(extractor: Any, runtime: Home, name: str) -> LiftedExtractor | str:
    """Lift an extractor, or say why it is left to run as it is."""
    cls = class_of(saw(extractor))
    kind = _KINDS.get(cls.__name__)
    if kind is None or loaded(kind.module, cls.__name__) is not cls:
        return f"{cls.__name__} is not a known extractor"
    reason = differs(extractor, cls, *_METHODS, *kind.methods)
    if reason is None and kind.step is Contexts:
        reason = contexts_differ(extractor)
    llm = lift_llm(extractor.llm, runtime, sync=False)  # They await it, however they are called.
    if reason is not None or isinstance(llm, str):
        return reason or str(llm)
    return LiftedExtractor(extractor, llm, kind, name)


def kind_name(extractor: Any) -> str | None:
    """What a known extractor's component is called; ``None``: it is none."""
    kind = _KINDS.get(class_of(extractor).__name__)
    return None if kind is None else kind.name

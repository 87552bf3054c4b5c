"""Workflows and engine profiles that several tests look at."""

from typing import Any

from ayo_bridge.graph import (
    Component,
    Indexing,
    Opaque,
    Reranking,
    Synthesis,
    SynthesisMode,
    Template,
)
from ayo_bridge.passes import PassContext
from ayo_bridge.profile import Curve, EngineProfile, LLMProfile, Profiles
from tests.workflow.workflows import EXPAND as EXPAND
from tests.workflow.workflows import RERANK as RERANK
from tests.workflow.workflows import SEARCH as SEARCH

# Paper, Table 3 and its appendix: llama-2-7B and bge-large on one RTX 3090, pgvector.
LLM = LLMProfile(0.0342, 0.0002247, 0.020)
EMBEDDING = EngineProfile("embedding", Curve.of([(1, 0.03), (16, 0.045), (128, 0.16)]), 16)
STORE = EngineProfile("vector_store", Curve.of([(1, 0.002), (16, 0.03)]), 64)
RERANKER = EngineProfile("reranker", Curve.of([(1, 0.02), (20, 0.05), (60, 0.116)]), 64)
PROFILES = Profiles({"llm": LLM, "bge": EMBEDDING, "pg": STORE, "cross": RERANKER})
EVERYTHING = PassContext(
    PROFILES,
    can_stream=frozenset({"llm"}),
    can_warm=frozenset({"llm"}),
    sequences={"llm": 0.0},
)


def synthesis(mode: SynthesisMode, chunks: int | None = 3, **options: Any) -> Synthesis:
    return Synthesis(name="answer", llm="llm", mode=mode, chunks=chunks, **options)


def advanced_rag(last: Component, *, indexing: bool = True) -> Template:
    """The paper's advanced RAG (Fig. 6)."""
    index = Indexing(name="index", embedding="bge", store="pg", items=48)
    first = (index,) if indexing else ()
    return Template.chain(
        *first, EXPAND, SEARCH, RERANK, last, inputs=("documents", "question"), name="advanced RAG"
    )


def fusion() -> Template:
    """LlamaIndex's query fusion: hits are fused by the framework's own code."""
    return Template.chain(
        EXPAND,
        SEARCH,
        Opaque(name="fusion", pure=True),
        Reranking(name="rerank", reranker="cross", inputs=("question", "fusion.result")),
        synthesis(SynthesisMode.ONE_SHOT, None),
        name="fusion",
    )

"""Workflows that several tests run."""

from ayo_bridge.graph import (
    Flow,
    Indexing,
    QueryExpansion,
    Reranking,
    Searching,
    Synthesis,
    SynthesisMode,
    flow,
)

EXPAND = QueryExpansion(name="expand", llm="llm")
SEARCH = Searching(
    name="search",
    embedding="bge",
    store="pg",
    queries=4,
    top_k=16,
    inputs=("question", "expand.queries"),
)
RERANK = Reranking(name="rerank", reranker="cross", candidates=64)
INDEX = Indexing(name="index", embedding="bge", store="pg")


def synthesis(mode: SynthesisMode = SynthesisMode.ONE_SHOT, chunks: int | None = 3) -> Synthesis:
    return Synthesis(name="answer", llm="llm", mode=mode, chunks=chunks)


def advanced(mode: SynthesisMode = SynthesisMode.REFINE, chunks: int | None = 3) -> Flow:
    """Advanced RAG as in docs/pages/native-workflows.md, on the engines of engines.py.

    Not that of examples/apps: this one searches with the question, too, and tests of the core rest
    on the core alone.
    """
    return INDEX >> EXPAND >> SEARCH >> RERANK >> synthesis(mode, chunks)


def direct() -> Flow:
    """A single call."""
    return flow(synthesis(SynthesisMode.GENERATION))


DOCUMENTS = [f"passage {i}" for i in range(40)]
QUESTION = {"question": "why?", "documents": DOCUMENTS}

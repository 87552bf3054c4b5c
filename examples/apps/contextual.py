"""Contextual retrieval: an LLM writes a context for each chunk before it is indexed."""

from ayo_bridge.graph import (
    Contextualising,
    Flow,
    Reranking,
    Searching,
    Synthesis,
    SynthesisMode,
)
from ayo_bridge.workflow.generation import NEIGHBOURS
from examples.apps.naive import index
from examples.apps.spec import ASSISTANT, EMBEDDING, LLM, RERANKER, STORE, AppSpec, Sizes


def workflow(sizes: Sizes) -> Flow:
    """Contextualise, index, search, rerank, answer in one call.

    A small LLM sees a chunk with its neighbours and says what it is about; both are indexed.
    """
    contextualise = Contextualising(
        name="contextualise",
        llm=ASSISTANT,
        items=sizes.chunks,
        document_tokens=(2 * NEIGHBOURS + 1) * sizes.chunk_tokens,
        tokens=sizes.note_tokens,
    )
    search = Searching(name="search", embedding=EMBEDDING, store=STORE, top_k=sizes.top_k)
    rerank = Reranking(name="rerank", reranker=RERANKER, candidates=sizes.top_k, top_n=sizes.top_n)
    answer = Synthesis(
        name="answer",
        llm=LLM,
        mode=SynthesisMode.ONE_SHOT,
        chunks=sizes.top_n,
        instruction_tokens=sizes.instruction_tokens,
        question_tokens=sizes.question_tokens,
        context_tokens=sizes.chunk_tokens + sizes.note_tokens,
        tokens=sizes.answer_tokens,
        context_first=False,
    )
    return contextualise >> index(sizes) >> search >> rerank >> answer


CONTEXTUAL = AppSpec(
    name="contextual",
    what="contextual retrieval",
    source="paper, Fig. 8 row 4: context from 4 neighbours, fetch 32, rerank to 3, one call",
    workflow=workflow,
    roles=(LLM, ASSISTANT, EMBEDDING, STORE, RERANKER),
    inputs=("question", "documents"),
    sizes=Sizes(top_k=32),
)

"""Document QA with advanced RAG (paper, Fig. 2d, Fig. 6 and Fig. 8)."""

from collections.abc import Mapping

from ayo_bridge.graph import (
    Flow,
    Op,
    QueryExpansion,
    Reranking,
    Searching,
    Synthesis,
    SynthesisMode,
)
from ayo_bridge.workflow import Function, Handler, HandlerKey, LanguageModel
from examples.apps.naive import index
from examples.apps.spec import EMBEDDING, LLM, RERANKER, STORE, AppSpec, Form, Sizes


def workflow(sizes: Sizes) -> Flow:
    """Index, expand the query, search with what the expansion wrote, rerank, refine the answer.

    In a refine step instruction, question and context are known early; the answer so far comes
    last.
    """
    expand = QueryExpansion(
        name="expand",
        llm=LLM,
        queries=sizes.queries,
        prompt_tokens=sizes.instruction_tokens + sizes.question_tokens,
        tokens=sizes.queries * sizes.query_tokens,
    )
    search = Searching(
        name="search",
        embedding=EMBEDDING,
        store=STORE,
        queries=sizes.queries,
        top_k=sizes.top_k,
        inputs=("expand.queries",),
    )
    rerank = Reranking(
        name="rerank",
        reranker=RERANKER,
        candidates=sizes.queries * sizes.top_k,
        top_n=sizes.top_n,
    )
    answer = Synthesis(
        name="answer",
        llm=LLM,
        mode=SynthesisMode.REFINE,
        chunks=sizes.top_n,
        instruction_tokens=sizes.instruction_tokens,
        question_tokens=sizes.question_tokens,
        context_tokens=sizes.chunk_tokens,
        tokens=sizes.answer_tokens,
        context_first=False,
    )
    return index(sizes) >> expand >> search >> rerank >> answer


def handlers(sizes: Sizes) -> Mapping[HandlerKey, Handler | Function]:
    """How the expansion is asked for."""
    asks = (
        f"Rewrite the question as {sizes.queries} different search queries for a collection of "
        "documents. Write one query a line and nothing else: no numbers, no explanations."
    )
    return {("expand", Op.PREFILLING): LanguageModel(asks)}


ADVANCED = AppSpec(
    name="advanced",
    what="document QA with advanced RAG",
    source="paper, Fig. 8 row 3: 3 queries, 16 chunks a query, top 3 of all, refine mode",
    workflow=workflow,
    roles=(LLM, EMBEDDING, STORE, RERANKER),
    inputs=("question", "documents"),
    sizes=Sizes(top_k=16),
    handlers=handlers,
    forms=lambda sizes: {"expand": Form(lines=sizes.queries)},
)

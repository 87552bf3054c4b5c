"""Document QA with naive RAG: index, search, answer by a tree (paper, section 7.1 and Fig. 8)."""

from ayo_bridge.graph import Flow, Indexing, Searching, Synthesis, SynthesisMode
from examples.apps.spec import EMBEDDING, LLM, STORE, AppSpec, Sizes


def index(sizes: Sizes) -> Indexing:
    """Embed the chunks that a query brings, and store them."""
    return Indexing(name="index", embedding=EMBEDDING, store=STORE, items=sizes.chunks)


def workflow(sizes: Sizes) -> Flow:
    """One call a context found, and one over their answers: 3 + 1 calls.

    The question stands before the context in a prompt, as in the paper's Fig. 6: instruction and
    question are known early.
    """
    search = Searching(name="search", embedding=EMBEDDING, store=STORE, top_k=sizes.top_k)
    answer = Synthesis(
        name="answer",
        llm=LLM,
        mode=SynthesisMode.TREE,
        chunks=sizes.top_k,
        instruction_tokens=sizes.instruction_tokens,
        question_tokens=sizes.question_tokens,
        context_tokens=sizes.chunk_tokens,
        tokens=sizes.answer_tokens,
        context_first=False,
    )
    return index(sizes) >> search >> answer


NAIVE = AppSpec(
    name="naive",
    what="document QA with naive RAG",
    source="paper, Fig. 8 row 2: chunks of 256 tokens, top 3, tree mode",
    workflow=workflow,
    roles=(LLM, EMBEDDING, STORE),
    inputs=("question", "documents"),
)

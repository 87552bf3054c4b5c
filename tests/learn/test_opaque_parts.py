"""Where lifting leads, an opaque part that asks an LLM is learned inside of the lifted call."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.postprocessor import LLMRerank, SimilarityPostprocessor
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import BaseRetriever, QueryFusionRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.llms.openai_like import OpenAILike

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import learned, outcomes, prompts, question
from tests.llama_index_like import openai_like
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.usefixtures("leaves_no_garbage"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_PASSAGES = 6
_BATCH = 2
_KEPT = 3
_TRIES = 10
"""A process that has no time for it sends nothing ahead in a call."""


class Found(BaseRetriever):
    """Finds six passages on whatever is asked."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [
            NodeWithScore(
                node=TextNode(id_=f"{at}", text=f"Passage {at} on {query_bundle.query_str}"),
                score=1.0,
            )
            for at in range(_PASSAGES)
        ]


class Reversed(BaseNodePostprocessor):
    """Asks nobody."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return nodes[::-1]


def chosen(reply: str, count: int) -> tuple[list[int], list[float]]:
    """All passages of a batch, as relevant as the words of a reply make them."""
    return [*range(1, count + 1)], [float(ord(reply[at])) for at in range(count)]


def model(stub: StubOpenAI) -> OpenAILike:
    return openai_like(stub.base_url, temperature=0.0)


def rerank(stub: StubOpenAI) -> LLMRerank:
    return LLMRerank(
        llm=model(stub),
        choice_batch_size=_BATCH,
        top_n=_KEPT,
        parse_choice_select_answer_fn=chosen,
    )


def engine(stub: StubOpenAI, mode: ResponseMode, *postprocessors: Any, **settings: Any) -> Any:
    return RetrieverQueryEngine.from_args(
        settings.pop("retriever", None) or Found(),
        llm=model(stub),
        node_postprocessors=list(postprocessors),
        response_mode=mode,
        **settings,
    )


def most_at_once(stub: StubOpenAI, said: str) -> int:
    """The most of the requests whose prompts say something that were there at the same time."""
    calls = [call for call in stub.calls if said in call.prompt]
    return max(
        sum(
            other.arrived <= call.arrived and (other.ended is None or call.arrived < other.ended)
            for other in calls
        )
        for call in calls
    )


_JUDGED = "A list of documents is shown below"
_ANSWERED = "Context information is below"


def test_the_answers_run_ahead_and_so_does_the_rerank_once_it_is_learned(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = engine(stub, ResponseMode.ACCUMULATE, rerank(stub))
    fast = accelerate(original, runtime=runtime)
    for number in range(4):
        stub.reset()
        assert str(fast.query(question(number))) == str(original.query(question(number)))
        made = Counter(call.prompt for call in stub.calls)
        assert set(made.values()) == {2}
    learned(fast)
    for number in range(_TRIES):
        stub.reset()
        answer = fast.query(question(9 + number))
        assert outcomes(fast)[Outcome.WASTED] == 0
        at_once = most_at_once(stub, _JUDGED), most_at_once(stub, _ANSWERED)
        if at_once == (_PASSAGES // _BATCH, _KEPT):
            break
    else:
        pytest.fail(f"they were never all asked together: {at_once}")
    made = prompts(stub)
    assert str(answer) == str(original.query(question(9 + number)))
    assert prompts(stub) == made + made


def test_a_change_of_a_part_is_followed(stub: StubOpenAI, runtime: Runtime) -> None:
    part = rerank(stub)
    original = engine(stub, ResponseMode.TREE_SUMMARIZE, part)
    fast = accelerate(original, runtime=runtime)
    for number in range(4):
        fast.query(question(number))
    learned(fast)
    part.top_n = 1
    part.choice_batch_size = _PASSAGES
    stub.reset()
    answer = fast.query(question(9))
    assert len(answer.source_nodes) == 1
    made = prompts(stub)
    assert str(answer) == str(original.query(question(9)))
    own = prompts(stub) - made
    assert own <= made
    assert part.__class__ is LLMRerank


async def test_a_part_that_is_awaited_asks_each_once(stub: StubOpenAI, runtime: Runtime) -> None:
    original = engine(stub, ResponseMode.ACCUMULATE, rerank(stub))
    fast = accelerate(original, runtime=runtime)
    for number in range(6):
        stub.reset()
        answer = await fast.aquery(question(number))
        assert set(prompts(stub).values()) == {1}
        assert str(answer) == str(await original.aquery(question(number)))
        assert set(prompts(stub).values()) == {2}
    assert "LLMRerank.apostprocess_nodes:" in explain(fast).learning


def test_a_synthesis_that_is_learned_may_stream(stub: StubOpenAI, runtime: Runtime) -> None:
    index = VectorStoreIndex(
        [TextNode(text="One"), TextNode(text="Two")], embed_model=MockEmbedding(embed_dim=4)
    )
    retriever = QueryFusionRetriever(
        [index.as_retriever()], model(stub), num_queries=1, use_async=False
    )
    said = PromptTemplate(
        "Answer {query_str}: {context_str}",
        function_mappings={"context_str": lambda context_str, **_: context_str},
    )
    original = engine(
        stub, ResponseMode.COMPACT, retriever=retriever, streaming=True, text_qa_template=said
    )
    fast = accelerate(original, runtime=runtime)
    expected = "".join(original.query("Why?").response_gen)
    stub.reset()
    assert "".join(fast.query("Why?").response_gen) == expected
    assert len(stub.requests) == 1
    assert "CompactAndRefine.synthesize:" in explain(fast).learning


_LEADING = (
    ResponseMode.TREE_SUMMARIZE,
    ResponseMode.ACCUMULATE,
    ResponseMode.COMPACT_ACCUMULATE,
    ResponseMode.GENERATION,
)
_OTHERS = (ResponseMode.REFINE, ResponseMode.COMPACT, ResponseMode.SIMPLE_SUMMARIZE)


@pytest.mark.parametrize("mode", [*_LEADING, *_OTHERS])
@pytest.mark.parametrize("part", ["none", "known", "own", "asking"])
def test_lifting_leads_where_it_did_and_only_what_asks_is_learned_inside(
    mode: ResponseMode, part: str, stub: StubOpenAI, runtime: Runtime
) -> None:
    parts: dict[str, list[BaseNodePostprocessor]] = {
        "none": [],
        "known": [SimilarityPostprocessor(similarity_cutoff=0.1)],
        "own": [Reversed()],
        "asking": [rerank(stub)],
    }
    retriever = VectorStoreIndex(
        [TextNode(text="One")], embed_model=MockEmbedding(embed_dim=4)
    ).as_retriever()
    fast = accelerate(engine(stub, mode, *parts[part], retriever=retriever), runtime=runtime)
    lifted = part in ("none", "known") or mode in _LEADING
    assert bool(explain(fast).template.components) is lifted
    fast.query("Why?")
    said = explain(fast).learning
    inside = part == "asking" and lifted
    assert ("LLMRerank.postprocess_nodes:" in said) is inside
    assert bool(said) is (inside or not lifted)

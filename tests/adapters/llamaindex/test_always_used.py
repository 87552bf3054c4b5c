"""What every call of a LlamaIndex object asks with is read off it, as far as that is certain."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from llama_index.core import ComposableGraph, Settings, SummaryIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.evaluation import RelevancyEvaluator
from llama_index.core.extractors import KeywordExtractor, TitleExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.query_engine import (
    RetrieverQueryEngine,
    RetrySourceQueryEngine,
    RouterQueryEngine,
)
from llama_index.core.response_synthesizers import TreeSummarize
from llama_index.core.retrievers import RecursiveRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TransformComponent
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.tools import QueryEngineTool
from llama_index.core.vector_stores import ExactMatchFilter, MetadataFilters
from llama_index.llms.openai_like import OpenAILike

from ayo_bridge.learn.live.clients import OTHERS
from ayo_llamaindex.always_used import AlwaysUsed, always_used
from tests.adapters.llamaindex.models import clients, index_of, model

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def used(obj: object) -> tuple[set[int], bool]:
    """The identities of what is always used, and whether there may be others."""
    found = list(always_used(obj))
    return {id(owner) for owner in found if owner is not OTHERS}, OTHERS in found


def engine(llm: Any, index: Any = None) -> Any:
    return (index or index_of()).as_query_engine(llm=llm)


def tools(*engines: Any) -> list[Any]:
    return [
        QueryEngineTool.from_defaults(each, name=f"t{at}", description=f"Tool {at}")
        for at, each in enumerate(engines)
    ]


def test_an_engine_uses_the_clients_of_its_llm_and_its_store() -> None:
    llm, index = model(), index_of()
    assert used(engine(llm, index)) == (clients(llm) | {id(index.vector_store)}, False)


def test_an_llm_that_has_made_no_client_so_far_has_none_that_is_known() -> None:
    llm = OpenAILike(model="stub", api_base="http://localhost:9/v1", api_key="key")
    assert used(TreeSummarize(llm=llm)) == (set(), False)


def test_of_an_llm_with_a_client_for_each_call_or_a_rate_limiter_nothing_is_said() -> None:
    once, limited = model(reuse_client=False), model()
    limited.__dict__["rate_limiter"] = SimpleNamespace()
    for llm in (once, limited):
        assert used(TreeSummarize(llm=llm)) == (set(), False)


class Choosing(OpenAILike):
    """May take any client for a call."""


def test_what_a_class_of_the_user_asks_with_nobody_knows() -> None:
    plain = model()
    extractors: list[Any] = [TitleExtractor(llm=plain), KeywordExtractor(llm=model(Choosing))]
    assert used(IngestionPipeline(transformations=extractors)) == (clients(plain), True)


class OwnRetriever(BaseRetriever):
    """May ask anything."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return []


def test_a_retriever_of_the_user_may_use_other_clients_than_the_engine_around_it() -> None:
    llm = model()
    own = RetrieverQueryEngine(OwnRetriever(), TreeSummarize(llm=llm))
    assert used(own) == (clients(llm), True)


def test_a_method_that_was_replaced_may_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    llm = model()
    summary = TreeSummarize(llm=llm)
    with monkeypatch.context() as patched:
        patched.setattr(OpenAILike, "_get_aclient", lambda self: None, raising=False)
        assert used(summary) == (set(), True)
    with monkeypatch.context() as patched:
        patched.setattr(TreeSummarize, "get_response", lambda *_, **__: "")
        assert used(summary) == (set(), True)
    summary.__dict__["aget_response"] = lambda *_, **__: ""
    assert used(summary) == (set(), True)


def test_of_what_a_router_chooses_from_that_counts_which_all_have_in_common() -> None:
    chief, first, second = model(), model(), model()

    def routed(*llms: Any) -> Any:
        return RouterQueryEngine(
            selector=LLMSingleSelector.from_defaults(llm=chief),
            query_engine_tools=tools(*map(engine, llms)),
            llm=chief,
            summarizer=TreeSummarize(llm=chief),
        )

    assert used(routed(first, second)) == (clients(chief), True)
    assert used(routed(first, first)) == (clients(chief, first), False)
    assert used(routed(chief, first)) == (clients(chief), True)
    assert used(routed(chief, chief)) == (clients(chief), False)


def test_what_is_among_its_own_choices_says_nothing() -> None:
    llm = model()
    loop = RouterQueryEngine(
        selector=LLMSingleSelector.from_defaults(llm=llm),
        query_engine_tools=tools(engine(llm)),
        llm=llm,
    )
    loop._query_engines.append(loop)
    assert used(loop) == (clients(llm), True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_functions_as_tools_ask_with_nobody_knows() -> None:
    llm = model()

    def tool(text: str) -> str:
        """Anything."""
        return text

    assert used(FunctionAgent(llm=llm, tools=[tool])) == (clients(llm), True)
    assert used(FunctionAgent(llm=llm, tools=[])) == (clients(llm), False)


def test_a_search_by_filters_is_not_one_that_is_made_ahead() -> None:
    index = index_of()
    own = MetadataFilters(filters=[ExactMatchFilter(key="tenant", value="first")])
    assert used(index.as_retriever()) == ({id(index.vector_store)}, False)
    assert used(index.as_retriever(filters=own)) == (set(), False)


def test_a_recursive_retriever_begins_with_its_root() -> None:
    top, below = index_of(), index_of()
    parts = {"top": top.as_retriever(), "below": below.as_retriever(), "more": engine(model())}
    searching = {name: each for name, each in parts.items() if name != "more"}
    recursive = RecursiveRetriever(
        "top", retriever_dict=searching, query_engine_dict={"more": parts["more"]}
    )
    assert used(recursive) == ({id(top.vector_store)}, True)


def test_a_graph_begins_with_its_root() -> None:
    llm, other = model(), model()
    indices = [index_of("a"), index_of("b")]
    graph = ComposableGraph.from_indices(SummaryIndex, indices, index_summaries=["a", "b"])
    custom = {index.index_id: engine(other, index) for index in indices}
    asked = graph.as_query_engine(llm=llm, custom_query_engines=custom)
    assert used(asked) == (clients(llm, other), False)


@pytest.fixture
def _settings() -> Iterator[None]:
    before = Settings._llm
    yield
    Settings._llm = before


@pytest.mark.usefixtures("_settings")
def test_the_llm_of_the_settings_counts_where_a_call_takes_it_from_there() -> None:
    first, second, judge = model(), model(), model()
    asking: Any = RetrySourceQueryEngine(engine(judge), RelevancyEvaluator(llm=judge), llm=judge)
    summary, store = TreeSummarize(llm=judge), asking._query_engine._retriever._vector_store
    reading = AlwaysUsed()
    for llm in (first, second):
        Settings.llm = llm
        found = {id(owner) for owner in reading(asking)}
        assert found - {id(store)} == clients(llm, judge)
        assert used(summary) == (clients(judge), False)


class Marked(TransformComponent):
    """Asks nothing that anybody knows of."""

    def __call__(self, nodes: Any, **kwargs: Any) -> Any:
        return nodes


def test_what_has_changed_since_is_seen_at_the_next_call() -> None:
    first, second = model(), model()
    titles = TitleExtractor(llm=first)
    pipeline = IngestionPipeline(transformations=[titles])
    reading = AlwaysUsed()

    def found() -> tuple[set[int], bool]:
        owners = list(reading(pipeline))
        return {id(owner) for owner in owners if owner is not OTHERS}, OTHERS in owners

    assert found() == (clients(first), False)
    titles.llm = second
    assert found() == (clients(second), False)
    second._client = first._client
    assert found() == ({id(first._client), id(second._aclient)}, False)
    pipeline.transformations.append(Marked())
    assert found()[1]
    pipeline.transformations[0] = Marked()
    assert found() == (set(), True)

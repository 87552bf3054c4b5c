"""Some of several engines are chosen, and what they answer is combined if they are several."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest
from llama_index.core.base.base_selector import BaseSelector, SelectorResult, SingleSelection
from llama_index.core.base.response.schema import Response
from llama_index.core.llms import LLM
from llama_index.core.query_engine import CustomQueryEngine, RouterQueryEngine
from llama_index.core.response_synthesizers import TreeSummarize
from llama_index.core.schema import QueryBundle
from llama_index.core.tools import QueryEngineTool, ToolMetadata

from ayo_bridge import Runtime, accelerate
from ayo_bridge.learn.induction.induce import induce
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.trace import Item, Kind, Result
from ayo_bridge.learn.tracing.sites import Site, see_as_one, site_here
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import learned, outcomes, prompts, question, side_by_side
from tests.learn.apps import Recorder, record, words
from tests.learn.apps import question as other_question
from tests.learn.test_llama_index_objects import model
from tests.stub_openai import StubOpenAI

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
TOPICS = ("causes", "effects", "witnesses")
CHOICES = ((0, 1), (1, 2), (2,), (0, 2), (0,), (1,), (0, 1, 2))


def chosen(query: str) -> tuple[int, ...]:
    """Those of the engines that a question is for."""
    return CHOICES[(int(query[-5:-1]) - 1900) // 7 % len(CHOICES)]


class Reader(BaseSelector):
    """A selector with a parser of its own: it reads the choice off the question itself."""

    def _get_prompts(self) -> dict[str, Any]:
        return {}

    def _update_prompts(self, prompts: Any) -> None:
        pass

    def _select(self, choices: Sequence[ToolMetadata], query: QueryBundle) -> SelectorResult:
        picked = chosen(query.query_str)
        return SelectorResult(selections=[SingleSelection(index=i, reason="") for i in picked])

    async def _aselect(self, choices: Sequence[ToolMetadata], query: QueryBundle) -> SelectorResult:
        return self._select(choices, query)


class Lists(CustomQueryEngine):
    """One LLM call."""

    llm: LLM
    topic: str

    def custom_query(self, query_str: str) -> Response:
        return Response(f"{self.llm.complete(f'List the {self.topic}: {query_str}')}")


def router(stub: StubOpenAI) -> RouterQueryEngine:
    llm = model(stub)
    tools = [
        QueryEngineTool.from_defaults(Lists(llm=llm, topic=topic), name=topic, description=topic)
        for topic in TOPICS
    ]
    return RouterQueryEngine.from_defaults(
        tools, llm=llm, selector=Reader(), summarizer=TreeSummarize(llm=llm)
    )


def test_a_router_runs_the_engines_that_were_chosen_side_by_side_and_no_others(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = router(stub)
    fast = accelerate(original, runtime=runtime)
    for number in range(6):
        assert str(fast.query(question(number))) == str(original.query(question(number)))
    learned(fast)
    for number in (7, 8, 9, 10, 13):
        stub.reset()
        several = len(chosen(question(number))) > 1
        with side_by_side(stub, "List the") if several else nullcontext():
            answer = str(fast.query(question(number)))
        made = prompts(stub)
        assert outcomes(fast)[Outcome.HIT] >= several
        assert not outcomes(fast)[Outcome.WASTED]
        assert answer == str(original.query(question(number)))
        assert prompts(stub) == made + made


def test_what_combines_several_answers_is_not_expected_of_one() -> None:
    def routed(count: int) -> Any:
        def app(r: Recorder, query: str) -> None:
            picked = random.Random(query).sample(range(3), count)
            r.llm("a", f"Which of three? {query}", f"[{', '.join(map(str, picked))}]")
            answers = [r.llm("b", f"{('One', 'Two', 'Three')[i]}: {query}") for i in picked]
            if count > 1:
                r.llm("c", "Combine:\n" + "\n\n".join(answers) + f"\n{query}")

        return app

    template = induce([record(routed(2 + at % 2), other_question(at)) for at in range(8)])
    several = replay(template, record(routed(2), other_question(50)))
    assert ("c", 0) in several.exact
    assert not several.false
    assert not replay(template, record(routed(1), other_question(51))).false


def test_a_page_equal_elsewhere_by_chance_does_not_hide_the_one_beside_the_text() -> None:
    def paged(r: Recorder, query: str) -> None:
        pages = [len(query) % 7, len(query) % 7 + (query == other_question(50))]
        for visit in range(1 + (query in (other_question(1), other_question(50)))):
            text, page = words(f"{query}{visit}", 12), str(pages[visit])
            item = Item(text, f"id {visit} {query}", None, {"page": page})
            r.call("b", Kind.SEARCH, f"{query} {visit}", Result(items=(item,)))
            r.llm("c", f"page: {page}\n{text}")

    template = induce([record(paged, other_question(at)) for at in range(4)])
    assert replay(template, record(paged, other_question(50))).exact >= {("c", 0), ("c", 1)}


class Two:
    """A method that goes on in either of two lines."""

    def __init__(self) -> None:
        self.seen: list[Site] = []

    def ask(self) -> None:
        self.seen.append(site_here(sys._getframe(2)))

    def go(self, first: bool) -> None:
        if first:
            self.ask()
        else:
            self.ask()

    def go_as_one(self, first: bool) -> None:
        if first:
            self.ask()
        else:
            self.ask()


def test_the_lines_of_a_function_seen_as_one_are_one_site() -> None:
    see_as_one(Two.go_as_one.__code__)
    apart, together = Two(), Two()
    for first in (True, False):
        for run in (apart.go, together.go_as_one):
            run(first)
    assert apart.seen[0] != apart.seen[1]
    assert together.seen[0] == together.seen[1]

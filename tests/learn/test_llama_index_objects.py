"""LlamaIndex's workflows, chat engines, tools and query engines of one's own learn as they run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.base.response.schema import Response
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import LLM
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.schema import QueryBundle, TransformComponent
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Event, StartEvent, StopEvent, Workflow, step
from llama_index.llms.openai_like import OpenAILike

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.learn.tracing.places import current_place
from ayo_bridge.seam import Outcome, current_scope
from ayo_bridge.verify import verify
from ayo_bridge.verify.target import Question
from tests.adapters.python.programs import learned, outcomes, prompts, question, side_by_side
from tests.deadline import eventually
from tests.llama_index_like import openai_like
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.usefixtures("leaves_no_garbage"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def model(stub: StubOpenAI) -> OpenAILike:
    return openai_like(stub.base_url, temperature=0.0)


class Views(CustomQueryEngine):
    """Causes and effects, one after the other."""

    llm: LLM

    def custom_query(self, query_str: str) -> Response:
        causes = self.llm.complete(f"List the causes of {query_str}")
        effects = self.llm.complete(f"List the effects of {query_str}")
        return Response(f"{causes} / {effects}")


def test_a_query_engine_of_ones_own_runs_ahead_after_four_calls(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = Views(llm=model(stub))
    fast = accelerate(original, runtime=runtime)
    for number in range(4):
        assert str(fast.query(question(number))) == str(original.query(question(number)))
    learned(fast)
    with side_by_side(stub):
        answer = str(fast.query(QueryBundle(question(9))))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}
    made = prompts(stub)
    assert answer == str(original.query(question(9)))
    assert prompts(stub) == made + made


class First(Event):
    text: str


class BothViews(Workflow):
    """Causes and effects, a step each."""

    llm: Any = None

    @step
    async def causes(self, event: StartEvent) -> First:
        reply = await self.llm.acomplete(f"List the causes of {event.question}")
        return First(text=f"{event.question}\n{reply}")

    @step
    async def effects(self, event: First) -> StopEvent:
        asked, _, causes = event.text.partition("\n")
        reply = await self.llm.acomplete(f"List the effects of {asked}")
        return StopEvent(result=f"{causes} / {reply}")


def test_a_workflow_is_compared_on_a_loop(stub: StubOpenAI, runtime: Runtime) -> None:
    original = BothViews(timeout=20)
    original.llm = model(stub)
    asked: list[Question] = [{"question": question(number)} for number in range(2)]
    report = verify(original, asked, learn=0, runtime=runtime)
    assert report.verdict == "2 of 2 calls the same", report.compared


async def test_a_workflow_is_followed_until_it_has_its_result(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = BothViews(timeout=20)
    original.llm = model(stub)
    fast = accelerate(original, runtime=runtime)
    for number in range(4):
        handler = fast.run(question=question(number))
        assert current_scope() is None
        assert current_place() is None
        assert str(await handler) == str(await original.run(question=question(number)))
    await asyncio.to_thread(learned, fast)
    with side_by_side(stub):
        answer = await fast.run(question=question(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}
    assert str(answer) == str(await original.run(question=question(9)))


async def test_a_workflow_that_fails_raises_as_it_did_and_teaches_nothing(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    fast = accelerate(BothViews(timeout=20), runtime=runtime)
    with pytest.raises(AttributeError, match="acomplete"):
        await fast.run(question="Why?")
    assert explain(fast).learning == ("learning (0 of 4 calls)",)
    record = explain(fast).record
    assert record is not None
    assert "acomplete" in record.error


def test_a_chat_that_streams_is_followed_until_its_writer_has_ended(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = SimpleChatEngine.from_defaults(llm=model(stub))
    fast = accelerate(original, runtime=runtime)
    expected = "".join(original.stream_chat("Why?").response_gen)
    original.reset()
    assert "".join(fast.stream_chat("Why?").response_gen) == expected
    eventually(lambda: explain(fast).record is not None, "the end of the call", 5)
    assert explain(fast).learning == ("learning (1 of 4 calls)",)
    fast.chat("And why not?")
    assert [line for line in explain(fast).learning if line.endswith(":")] == [
        "chat:",
        "stream_chat:",
    ]


def test_a_tool_and_a_transformation_are_followed_by_call(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    llm = model(stub)

    def explain_it(subject: str) -> str:
        """Explain something."""
        return str(llm.complete(f"Explain {subject}"))

    tool = FunctionTool.from_defaults(explain_it)
    fast = accelerate(tool, runtime=runtime)
    assert str(fast("tides")) == str(tool("tides"))
    assert explain(fast).learning == ("learning (1 of 4 calls)",)

    class Shortened(TransformComponent):
        def __call__(self, nodes: Any, **kwargs: Any) -> Any:
            return [str(llm.complete(f"Shorten {node}")) for node in nodes]

    short = accelerate(Shortened(), runtime=runtime)
    assert short(["one", "two"]) == Shortened()(["one", "two"])
    assert explain(short).learning == ("learning (1 of 4 calls)",)

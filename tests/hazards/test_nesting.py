"""Accelerated objects inside accelerated objects: never slower than the inner ones alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.tools import QueryEngineTool

from ayo_bridge import Runtime, accelerate, explain, stats
from ayo_bridge.errors import NotAcceleratedWarning
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env
from tests.hazards.engines import tree
from tests.stub_openai import StubOpenAI

Change = Callable[[Any], Any]


def router(env: Env, inner: Change) -> Any:
    """An engine that no lifter knows, over two that are known."""
    env.stub.reply_when("Some choices", text='[{"choice": 1, "reason": "a"}]')
    model = parts.llm(env)
    tools = [
        QueryEngineTool.from_defaults(inner(tree(env)), name=name, description=name)
        for name in ("north", "south")
    ]
    selector = LLMSingleSelector.from_defaults(llm=model)
    return RouterQueryEngine.from_defaults(tools, llm=model, selector=selector)


@pytest.fixture
def faster(runtime: Runtime) -> Change:
    def accelerated(obj: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotAcceleratedWarning)
            return accelerate(obj, runtime=runtime)

    return accelerated


def test_an_engine_inside_an_unknown_one_still_runs_ahead(
    env: Env, stub: StubOpenAI, faster: Change
) -> None:
    original = router(env, lambda engine: engine)
    expected = str(original.query("What grows in the north?"))
    inner: list[Any] = []

    def kept(engine: Any) -> Any:
        inner.append(faster(engine))
        return inner[-1]

    outer = faster(router(env, kept))
    stub.reply_when(lambda request: "Some choices" not in request.prompt, together=2)
    stub.max_in_flight = 0
    assert str(outer.query("What grows in the north?")) == expected
    assert stub.max_in_flight > 1, "the leaves of the inner tree went side by side"
    assert stats(inner[0]).hits > 0
    assert stats(inner[0]).calls == 1


def test_the_outer_record_tells_of_the_calls_inside(env: Env, faster: Change) -> None:
    engine = router(env, faster)
    outer = faster(engine)
    outer.query("What grows in the north?")
    made = stats(outer)
    assert made.calls == 1
    seen = sum(row.calls for row in made.primitives if row.engine.startswith("llm:"))
    assert seen == len([call for call in env.stub.calls if call.mark is None])
    assert made.hits > 0
    listed = [line for line in explain(outer).full().splitlines() if "llm:stub" in line]
    assert len([line for line in listed if "hit" in line or "direct" in line]) >= seen


def test_an_outer_engine_that_describes_the_inner_one_serves_it(env: Env, faster: Change) -> None:
    retriever = faster(parts.retriever(env, top_k=4))
    outer = faster(parts.engine(env, ResponseMode.COMPACT, source=retriever))
    outer.query("What grows in the north?")
    assert stats(outer).calls == 1
    assert stats(retriever).calls == 0, "the outer call's scope serves it"


def test_an_unknown_engine_is_learned_and_said_to_be_unknown(env: Env, runtime: Runtime) -> None:
    said = explain(accelerate(router(env, lambda engine: engine), runtime=runtime)).full()
    assert "learning (0 of 4 calls)" in said
    assert "RouterQueryEngine is not a known query engine" in said


@pytest.mark.parametrize(
    "mode",
    [
        ResponseMode.GENERATION,
        ResponseMode.SIMPLE_SUMMARIZE,
        ResponseMode.TREE_SUMMARIZE,
        ResponseMode.COMPACT,
        ResponseMode.REFINE,
    ],
)
def test_a_stream_that_nobody_reads_costs_what_it_costs_in_the_original(
    env: Env, stub: StubOpenAI, runtime: Runtime, mode: ResponseMode
) -> None:
    env.streaming = True
    original = parts.engine(env, mode, top_k=1)
    accelerated = accelerate(parts.engine(env, mode, top_k=1), runtime=runtime)
    original.query("one")
    expected = len([call for call in stub.calls if call.mark is None])
    accelerated.query("two")
    runtime.close()  # Whatever was on its way has been sent, or never will be.
    assert len([call for call in stub.calls if call.mark is None]) == 2 * expected

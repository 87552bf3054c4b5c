"""What is worth running ahead, decided from graphs and costs alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ayo_bridge.graph import (
    Opaque,
    QueryExpansion,
    Reranking,
    Searching,
    Synthesis,
    SynthesisMode,
    Template,
)
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import EngineCall, EngineKind, Outcome, Usage


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    runtime = Runtime()
    yield runtime
    runtime.close()


def synthesis(mode: SynthesisMode, chunks: int | None = None, **options: bool) -> Synthesis:
    return Synthesis(name="synthesis", llm="llm", mode=mode, chunks=chunks, **options)  # type: ignore[arg-type]


SEARCH = Searching(name="search", embedding="e", store="s")
GLUE = Opaque(name="postprocess", pure=True)
FUSION = Template.chain(
    QueryExpansion(name="expand", llm="llm", queries=3, outputs=("expand.queries",)),
    Searching(
        name="search", embedding="e", store="s", queries=4, inputs=("question", "expand.queries")
    ),
    Opaque(name="fuse", pure=True),
    Reranking(name="rerank", reranker="r"),
    synthesis(SynthesisMode.REFINE),
)


def test_a_plain_chain_has_nothing_to_run_ahead(runtime: Runtime) -> None:
    plan = runtime.planner.plan(Template.chain(SEARCH, GLUE, synthesis(SynthesisMode.REFINE)), {})
    assert plan.ahead == frozenset()
    assert plan.predicted_gain == 0.0


def test_an_answer_that_uses_no_context_starts_at_once(runtime: Runtime) -> None:
    plan = runtime.planner.plan(
        Template.chain(SEARCH, GLUE, synthesis(SynthesisMode.GENERATION, 1)), {}
    )
    assert "synthesis.prefill[0]" in plan.ahead


def test_nothing_is_moved_before_unknown_work(runtime: Runtime) -> None:
    unknown = Opaque(name="postprocess", reason="user code")
    plan = runtime.planner.plan(
        Template.chain(SEARCH, unknown, synthesis(SynthesisMode.GENERATION, 1)), {}
    )
    assert plan.ahead == frozenset()


def test_fusion_searches_with_the_question_while_queries_are_made(runtime: Runtime) -> None:
    plan = runtime.planner.plan(FUSION, {})
    assert {"search.embed[question]", "search.search[question]"} <= plan.ahead
    assert "search.embed[expand.queries]" in plan.ahead
    assert "expand.prefill" not in plan.ahead  # the original makes this call at once itself


def test_a_pipelined_decode_has_to_be_ours(runtime: Runtime) -> None:
    runtime.can_stream = lambda: frozenset({"llm"})  # type: ignore[method-assign]
    plan = runtime.planner.plan(FUSION, {})
    assert "expand.prefill" in plan.ahead


def test_a_fan_out_is_sent_in_turn_from_its_first_call_on(runtime: Runtime) -> None:
    tree = synthesis(SynthesisMode.TREE)
    template = Template.chain(SEARCH, tree)
    plan = runtime.planner.plan_expansion(template, tree, 4, {}, prefix="L0")
    prefills = {name for name in plan.ahead if "prefill" in name}
    # The first wins nothing, but a server with one slot would take the others before it.
    assert prefills == {f"synthesis.L0.prefill[{i}]" for i in range(4)}


def test_what_the_framework_fans_out_itself_is_left_to_it(runtime: Runtime) -> None:
    tree = synthesis(SynthesisMode.TREE, concurrent=True)
    plan = runtime.planner.plan_expansion(Template.chain(SEARCH, tree), tree, 4, {}, prefix="L0")
    assert plan.ahead == frozenset()


def test_run_ahead_can_be_switched_off() -> None:
    runtime = Runtime(run_ahead=False)
    plan = runtime.planner.plan(FUSION, {})
    assert plan.ahead == frozenset()
    assert any("off in this runtime" in d.reason for d in plan.decisions)
    runtime.close()


def observe(runtime: Runtime, seconds: float) -> None:
    for _ in range(64):
        record = EngineCall("p", "llm", EngineKind.LLM, "k", Outcome.DIRECT, 0.0, 0.0, seconds)
        record.tokens = Usage(100, 10)
        runtime.profiles.observe(record)


def test_an_llm_too_quick_to_be_worth_it_is_left_alone(runtime: Runtime) -> None:
    tree = synthesis(SynthesisMode.TREE)
    template = Template.chain(SEARCH, tree)
    observe(runtime, 0.0005)
    plan = runtime.planner.plan_expansion(template, tree, 4, {}, prefix="L0")
    assert plan.ahead == frozenset()
    assert any(d.pass_name == "run-ahead" and not d.applied for d in plan.decisions)


def test_shapes_are_kept_until_the_engines_look_different(runtime: Runtime) -> None:
    first = runtime.planner.plan(FUSION, {})
    assert runtime.planner.plan(FUSION, {}).e_graph is first.e_graph
    observe(runtime, 0.5)
    assert runtime.planner.plan(FUSION, {}).e_graph is not first.e_graph

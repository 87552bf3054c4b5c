from dataclasses import replace

import pytest

from ayo_bridge.graph import (
    Component,
    Condition,
    Graph,
    Op,
    Opaque,
    Searching,
    Synthesis,
    SynthesisMode,
    Template,
    choose,
    decompose,
)
from ayo_bridge.passes import Decision, DependencyPruning, PassContext, PrefillingSplit, optimise
from ayo_bridge.profile import Curve, EngineProfile, LLMProfile, Profiles
from tests.passes.workflows import EVERYTHING, EXPAND, LLM, PROFILES, synthesis

SEARCH = Searching(name="search", embedding="bge", store="pg")
ONLY_LLM = replace(EVERYTHING, profiles=Profiles({"llm": LLM}))
PASSES = (DependencyPruning(), PrefillingSplit())


def split(
    *components: Component, context: PassContext = EVERYTHING
) -> tuple[Graph, dict[str, Decision]]:
    optimised = optimise(decompose(Template.chain(*components)), context, PASSES)
    decided = [d for d in optimised.decisions if d.pass_name == PrefillingSplit.name]
    return optimised.graph, {d.targets[0]: d for d in decided}


def test_a_refine_step_prefills_its_context_while_the_draft_is_decoded() -> None:
    graph, decisions = split(SEARCH, synthesis(SynthesisMode.REFINE, 2))
    partial, full = graph["answer.prefill[1][partial]"], graph["answer.prefill[1][full]"]
    assert partial.op is Op.PARTIAL_PREFILLING
    assert partial.inputs == ("question", "search.hits")
    assert [part.value for part in partial.prompt] == [None, "search.hits", "question"]
    assert [part.value for part in full.prompt] == ["answer.draft[0]"]
    assert full.outputs == ("answer.prefilled[1]",)
    assert not graph.successors(partial.id)
    assert partial.root == full.root == "answer.prefill[1]"
    gain = decisions["answer.prefill[1]"].predicted_gain
    # 296 tokens, of which 292 are sure, in blocks of 16; the 20 of the instruction hold one block.
    assert gain == pytest.approx((288 - 16) * LLM.prefill_per_token - 0.001)


def test_one_known_engine_is_enough_where_the_draft_needs_the_context_itself() -> None:
    _, decisions = split(SEARCH, synthesis(SynthesisMode.REFINE, 2), context=ONLY_LLM)
    assert decisions["answer.prefill[1]"].applied


def test_a_shared_prefix_is_warmed_once() -> None:
    search = replace(SEARCH, inputs=("expand.queries",))
    tree = synthesis(SynthesisMode.TREE, 3, context_first=False)
    graph, decisions = split(EXPAND, search, tree)
    assert [p.id for p in graph if p.op is Op.PARTIAL_PREFILLING] == [
        "answer.prefill[0][0][partial]"
    ]
    assert decisions["answer.prefill[0][1]"].reason == (
        "the prefix is that of answer.prefill[0][0], which warms it"
    )


@pytest.mark.parametrize(
    ("component", "context", "target", "reason"),
    [
        (
            synthesis(SynthesisMode.ONE_SHOT, 1),
            EVERYTHING,
            "answer.prefill[0]",
            "only the static instruction is known earlier than the rest, and it stays cached",
        ),
        (
            synthesis(SynthesisMode.GENERATION),
            EVERYTHING,
            "answer.prefill[0]",
            "the whole prompt is known at the same time",
        ),
        (
            synthesis(SynthesisMode.REFINE, 2),
            replace(EVERYTHING, can_warm=frozenset()),
            "answer.prefill[1]",
            "'llm' takes no prefix warms",
        ),
        (
            synthesis(SynthesisMode.REFINE, 2),
            replace(EVERYTHING, profiles=Profiles()),
            "answer.prefill[1]",
            "no profile of 'llm' yet: the gain cannot be shown",
        ),
        (
            synthesis(SynthesisMode.ONE_SHOT, 1, context_first=False),
            ONLY_LLM,
            "answer.prefill[0]",
            "no profile of 'bge' yet: the gain cannot be shown",
        ),
        (
            Synthesis(
                name="answer",
                llm="llm",
                mode=SynthesisMode.ONE_SHOT,
                chunks=1,
                question_tokens=8,
                instruction_tokens=3,
                context_first=False,
            ),
            EVERYTHING,
            "answer.prefill[0]",
            "the early prefix fills no cache block of 16 tokens",
        ),
        (
            synthesis(SynthesisMode.ONE_SHOT, 1, context_first=False),
            EVERYTHING,
            "answer.prefill[0]",
            "no gain: the prefix is known 0.032 s before the rest and needs 0.043 s",
        ),
    ],
)
def test_refusals(component: Component, context: PassContext, target: str, reason: str) -> None:
    graph, decisions = split(SEARCH, component, context=context)
    assert not decisions[target].applied
    assert decisions[target].reason == reason
    assert not any(primitive.op is Op.PARTIAL_PREFILLING for primitive in graph)


def test_a_gain_below_the_cost_of_a_request_is_none() -> None:
    tiny = Profiles({**PROFILES, "llm": LLMProfile(0.001, 1e-6, 0.02)})
    context = replace(EVERYTHING, profiles=tiny)
    _, decisions = split(SEARCH, synthesis(SynthesisMode.REFINE, 2), context=context)
    assert decisions["answer.prefill[1]"].reason == "the predicted gain is not positive"


def test_a_warm_must_be_worth_what_it_costs_the_engine() -> None:
    small = synthesis(SynthesisMode.ONE_SHOT, context_first=False)
    chain = (EXPAND, replace(SEARCH, inputs=("expand.queries",)))
    _, alone = split(*chain, small)
    assert alone["answer.prefill[0]"].predicted_gain == pytest.approx(
        16 * LLM.prefill_per_token - 0.001
    )
    _, decisions = split(*chain, small, context=replace(EVERYTHING, sequences={}))
    refused = decisions["answer.prefill[0]"]
    assert not refused.applied
    assert refused.reason == (
        "not worth it under load: 0.003 s saved if it is idle, 0.036 s more work for 'llm'"
    )
    long = replace(small, question_tokens=600)
    _, decisions = split(*chain, long, context=replace(EVERYTHING, sequences={}))
    assert decisions["answer.prefill[0]"].applied


@pytest.mark.parametrize(
    ("others", "applied"), [(0.0, True), (0.5, True), (0.9, False), (4, False)]
)
def test_a_warm_is_for_engines_with_time_to_spare(others: float, applied: bool) -> None:
    context = replace(EVERYTHING, sequences={"llm": others})
    _, decisions = split(SEARCH, synthesis(SynthesisMode.REFINE, 2), context=context)
    assert decisions["answer.prefill[1]"].applied == applied


def test_a_warm_for_calls_that_start_together_takes_work_off_a_busy_engine() -> None:
    long = replace(synthesis(SynthesisMode.TREE, 3, context_first=False), question_tokens=200)
    search = replace(SEARCH, inputs=("expand.queries",))
    context = replace(EVERYTHING, sequences={"llm": 100.0})
    graph, decisions = split(EXPAND, search, long, context=context)
    assert decisions["answer.prefill[0][0]"].predicted_gain == pytest.approx(
        3 * (208 - 16) * LLM.prefill_per_token - 0.001
    )
    assert "answer.prefill[0][0][partial]" in graph


def test_different_chunks_of_one_value_are_different_prefixes() -> None:
    answer = replace(synthesis(SynthesisMode.REFINE, 3), inputs=("question", "documents"))
    optimised = optimise(
        decompose(Template.chain(answer, inputs=("question", "documents"))), EVERYTHING, PASSES
    )
    warms = [p.id for p in optimised.graph if p.op is Op.PARTIAL_PREFILLING]
    assert warms == ["answer.prefill[1][partial]", "answer.prefill[2][partial]"]


def test_a_prefix_that_the_graph_makes_is_warmed_once_too() -> None:
    long = replace(synthesis(SynthesisMode.TREE, 3, context_first=False), question_tokens=200)
    answer = replace(long, inputs=("rewrite.answer", "search.hits"))
    rewrite = Synthesis(name="rewrite", llm="other", mode=SynthesisMode.GENERATION, tokens=1)
    llms = Profiles({**PROFILES, "other": LLMProfile(0.0, 0.0, 0.0)})
    slow = replace(SEARCH, store="slow")
    known = Profiles({**llms, "slow": EngineProfile("vector_store", Curve.of([(1, 1.0)]))})
    graph, decisions = split(rewrite, slow, answer, context=replace(EVERYTHING, profiles=known))
    assert [p.id for p in graph if p.op is Op.PARTIAL_PREFILLING] == [
        "answer.prefill[0][0][partial]"
    ]
    assert decisions["answer.prefill[0][2]"].reason.startswith("the prefix is that of")


def test_a_refine_step_does_not_ask_what_the_first_call_asks() -> None:
    answer = replace(
        synthesis(SynthesisMode.REFINE, 2, context_first=False),
        question_tokens=200,
        early_context=False,
    )
    slow = replace(SEARCH, store="slow")
    known = Profiles({**PROFILES, "slow": EngineProfile("vector_store", Curve.of([(1, 1.0)]))})
    graph, _ = split(slow, answer, context=replace(EVERYTHING, profiles=known))
    warms = [p for p in graph if p.op is Op.PARTIAL_PREFILLING]
    assert [warm.prompt_tokens for warm in warms] == [220, 220]


def test_a_prefix_that_every_branch_needs_is_warmed_before_the_condition() -> None:
    judge = Synthesis(name="judge", llm="llm", mode=SynthesisMode.GENERATION)
    needed = Condition(name="needed", inputs=("judge.answer",))
    last = replace(
        synthesis(SynthesisMode.ONE_SHOT, 1, context_first=False),
        inputs=("question", "search.hits"),
        question_tokens=200,
    )
    flow = judge >> choose(needed, {"yes": SEARCH, "no": None}) >> last
    graph = optimise(decompose(flow.template()), EVERYTHING, PASSES).graph
    assert graph.predecessors("answer.prefill[0][partial]") == frozenset()
    assert graph.predecessors("answer.prefill[0][full]") == {"search.search"}
    assert graph.predecessors("search.embed") == {"needed.condition"}


def test_nothing_is_warmed_before_an_unknown_effect_in_front_of_it() -> None:
    graph, decisions = split(
        Opaque(name="retrieve", inputs=("question",)),
        synthesis(SynthesisMode.ONE_SHOT, 1, context_first=False),
    )
    assert not decisions["answer.prefill[0]"].applied
    graph, decisions = split(SEARCH, Opaque(name="log"), synthesis(SynthesisMode.REFINE, 2))
    assert decisions["answer.prefill[1]"].applied
    assert "log.host" in graph.predecessors("answer.prefill[1][partial]")

from dataclasses import replace

import pytest

from ayo_bridge.graph import (
    Component,
    Graph,
    Op,
    Opaque,
    Searching,
    Synthesis,
    SynthesisMode,
    Template,
    decompose,
)
from ayo_bridge.passes import Decision, DependencyPruning, PassContext, PrefillingSplit, optimise
from ayo_bridge.profile import LLMProfile, Profiles
from tests.passes.workflows import EVERYTHING, EXPAND, LLM, synthesis

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
    tiny = Profiles({**EVERYTHING.profiles, "llm": LLMProfile(0.001, 1e-6, 0.02)})
    context = replace(EVERYTHING, profiles=tiny)
    _, decisions = split(SEARCH, synthesis(SynthesisMode.REFINE, 2), context=context)
    assert decisions["answer.prefill[1]"].reason == "the predicted gain is not positive"


def test_nothing_is_warmed_before_an_unknown_effect_in_front_of_it() -> None:
    graph, decisions = split(
        Opaque(name="retrieve", inputs=("question",)),
        synthesis(SynthesisMode.ONE_SHOT, 1, context_first=False),
    )
    assert not decisions["answer.prefill[0]"].applied
    graph, decisions = split(SEARCH, Opaque(name="log"), synthesis(SynthesisMode.REFINE, 2))
    assert decisions["answer.prefill[1]"].applied
    assert "log.host" in graph.predecessors("answer.prefill[1][partial]")

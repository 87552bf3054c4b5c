"""What a graph says of its requests: where each stands, and whether another one goes on from it."""

from __future__ import annotations

from collections.abc import Collection

from ayo_bridge.graph import (
    Graph,
    Op,
    Searching,
    SynthesisMode,
    Template,
    decompose,
)
from ayo_bridge.passes import DependencyPruning, PrefillingSplit, optimise
from ayo_bridge.schedule import GraphScheduler
from ayo_bridge.schedule.foreseeing import foreseen
from ayo_bridge.seam import Foreseen
from tests.passes.workflows import EVERYTHING, EXPAND, synthesis

SEARCH = Searching(name="search", embedding="bge", store="pg")
REFINE = optimise(
    decompose(Template.chain(SEARCH, synthesis(SynthesisMode.REFINE, 3))),
    EVERYTHING,
    (DependencyPruning(), PrefillingSplit()),
).graph
TREE = decompose(Template.chain(EXPAND, SEARCH, synthesis(SynthesisMode.TREE, 3)))


def told(graph: Graph, name: str, ended: Collection[str] = ()) -> Foreseen:
    found = foreseen(graph, graph[name], "program", lambda other: other not in ended)
    assert found is not None
    return found


def test_leaves_of_a_tree_stand_in_one_place_and_its_root_in_another() -> None:
    leaves = [told(TREE, f"answer.prefill[0][{number}]") for number in range(3)]
    root, expansion = told(TREE, "answer.prefill[1][0]"), told(TREE, "expand.prefill")
    assert leaves[0] == leaves[1] == leaves[2]
    assert len({leaves[0].place, root.place, expansion.place}) == 3
    assert {each.resumes for each in (*leaves, root, expansion)} == {False}


def test_a_prefix_is_gone_on_from_until_its_call_has_ended() -> None:
    warm, full = "answer.prefill[1][partial]", "answer.prefill[1][full]"
    assert told(REFINE, warm).resumes
    assert not told(REFINE, warm, ended=[full]).resumes
    assert not told(REFINE, full).resumes


def test_steps_of_a_refine_chain_stand_in_three_places_and_prefixes_in_one_of_their_own() -> None:
    longer = decompose(Template.chain(SEARCH, synthesis(SynthesisMode.REFINE, 5)))
    first, *steps, last = (told(longer, f"answer.prefill[{number}]").place for number in range(5))
    assert len({first, *steps, last}) == 3
    assert len(set(steps)) == 1
    assert told(REFINE, "answer.prefill[2][full]").place == last
    assert told(REFINE, "answer.prefill[1][partial]").place not in {first, *steps, last}


def test_of_what_has_no_prompt_the_place_is_known_and_of_what_asks_no_llm_nothing() -> None:
    unknown = decompose(Template.chain(SEARCH, synthesis(SynthesisMode.REFINE, None)))
    assert told(unknown, "answer.expand").resumes is None
    searching = next(each for each in unknown if each.op is Op.SEARCHING)
    assert foreseen(unknown, searching, "program", lambda name: True) is None


def test_other_programs_have_other_places() -> None:
    same = foreseen(TREE, TREE["expand.prefill"], "another", lambda name: True)
    assert same is not None
    assert same.place != told(TREE, "expand.prefill").place


def test_it_is_estimated_when_a_prefix_is_gone_on_from() -> None:
    tier = GraphScheduler(REFINE, {name: 1.0 * REFINE.depth(name) for name in REFINE.primitives})
    warm = REFINE["answer.prefill[2][partial]"]
    assert tier.until("answer.prefill[2][full]") is None  # Nothing is under way.
    tier.start({"question": "why?"})
    seconds = foreseen(REFINE, warm, "program", tier.is_coming, tier.until)
    assert seconds is not None
    assert seconds.seconds == tier.left() - REFINE.depth("answer.prefill[2][full]")
    assert seconds.seconds > 0

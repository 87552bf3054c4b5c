"""Whole workflows before and after, as text."""

from collections.abc import Callable

import pytest

from ayo_bridge.graph import Graph, SynthesisMode, Template, decompose, picture
from ayo_bridge.passes import Decision, PassContext, optimise
from tests.passes.workflows import EVERYTHING, advanced_rag, fusion, synthesis

WORKFLOWS = {
    # Paper, Fig. 6.
    "advanced_rag_refine": advanced_rag(synthesis(SynthesisMode.REFINE)),
    "advanced_rag_tree": advanced_rag(
        synthesis(SynthesisMode.TREE, context_first=False), indexing=False
    ),
    "fusion": fusion(),
}


def page(before: Graph, after: Graph, decisions: tuple[Decision, ...]) -> str:
    lines = []
    for decision in decisions:
        gain = "" if decision.predicted_gain is None else f" ({decision.predicted_gain:+.3f} s)"
        sign = "+" if decision.applied else "-"
        targets = ", ".join(decision.targets)
        lines.append(f"{sign} {decision.pass_name}: {targets}: {decision.reason}{gain}\n")
    return f"{picture(before)}\n{''.join(lines)}\n{picture(after)}"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_golden(name: str, golden: Callable[[str, str], None]) -> None:
    p_graph = decompose(WORKFLOWS[name])
    optimised = optimise(p_graph, EVERYTHING)
    golden(name, page(p_graph, optimised.graph, optimised.decisions))


def test_without_knowledge_only_order_goes(golden: Callable[[str, str], None]) -> None:
    p_graph = decompose(WORKFLOWS["advanced_rag_tree"])
    optimised = optimise(p_graph, PassContext())
    golden("nothing_known", page(p_graph, optimised.graph, optimised.decisions))


def test_the_empty_workflow() -> None:
    assert len(optimise(decompose(Template(())), EVERYTHING).graph) == 0

import itertools
from dataclasses import dataclass
from typing import ClassVar

import pytest

from ayo_bridge.errors import GraphError
from ayo_bridge.graph import Graph, Op, Primitive, SynthesisMode, decompose
from ayo_bridge.passes import PIPELINE, Pass, PassContext, Rewrite, optimise
from tests.passes.workflows import EVERYTHING, advanced_rag, synthesis

P_GRAPH = decompose(advanced_rag(synthesis(SynthesisMode.REFINE)))


@dataclass(frozen=True, slots=True)
class Breaking:
    name: ClassVar[str] = "breaking"

    def apply(self, graph: Graph, context: PassContext) -> Rewrite:
        return Rewrite(Graph([Primitive("x", Op.HOST, "x", inputs=("missing",))]))


def test_on_pass_sees_every_step() -> None:
    steps: list[tuple[str, int, int]] = []

    def note(each: Pass, before: Graph, rewrite: Rewrite) -> None:
        steps.append((each.name, len(before), len(rewrite.graph)))

    optimised = optimise(P_GRAPH, EVERYTHING, on_pass=note)
    assert [step[0] for step in steps] == [each.name for each in PIPELINE]
    assert steps[0][1] == len(P_GRAPH)
    assert steps[-1][2] == len(optimised.graph)
    assert all(before[2] == after[1] for before, after in itertools.pairwise(steps))


def test_no_passes_leave_the_graph_as_it_is() -> None:
    assert optimise(P_GRAPH, EVERYTHING, ()).graph is P_GRAPH


def test_a_pass_that_breaks_the_graph_is_named() -> None:
    with pytest.raises(GraphError, match="after breaking: 'x' needs 'missing'"):
        optimise(P_GRAPH, EVERYTHING, (Breaking(),))


def test_a_broken_graph_is_refused() -> None:
    with pytest.raises(GraphError, match="missing"):
        optimise(Breaking().apply(P_GRAPH, EVERYTHING).graph, EVERYTHING)

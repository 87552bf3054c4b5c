import itertools
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from ayo_bridge.errors import GraphError
from ayo_bridge.graph import (
    Graph,
    Op,
    Primitive,
    QueryExpansion,
    Searching,
    SynthesisMode,
    Template,
    decompose,
)
from ayo_bridge.passes import PIPELINE, Pass, PassContext, Rewrite, optimise
from ayo_bridge.profile import EngineProfile, Profiles
from tests.passes.workflows import EVERYTHING, PROFILES, RERANK, advanced_rag, synthesis

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


def test_a_measured_best_batch_below_the_number_of_queries_does_not_cost_the_pipelining() -> None:
    expand = QueryExpansion(name="expand", llm="llm", queries=3, tokens=78)
    search = Searching(
        name="search", embedding="bge", store="pg", queries=3, inputs=("expand.queries",)
    )
    p_graph = decompose(Template.chain(expand, search, RERANK, synthesis(SynthesisMode.REFINE)))
    embedding = PROFILES["bge"]
    assert isinstance(embedding, EngineProfile)
    measured = Profiles({**PROFILES, "bge": replace(embedding, best_batch=2)})
    context = replace(EVERYTHING, profiles=measured)
    graph = optimise(p_graph, context).graph
    assert graph == optimise(p_graph, EVERYTHING).graph
    assert graph["search.embed[2]"].inputs == ("expand.queries[2]",)
    # Where replies cannot be streamed, stages are what is left.
    graph = optimise(p_graph, replace(context, can_stream=frozenset())).graph
    assert graph["search.embed[0]"].items == 2
    assert graph["search.embed[1]"].inputs == ("expand.queries",)


def test_no_passes_leave_the_graph_as_it_is() -> None:
    assert optimise(P_GRAPH, EVERYTHING, ()).graph is P_GRAPH


def test_a_pass_that_breaks_the_graph_is_named() -> None:
    with pytest.raises(GraphError, match="after breaking: 'x' needs 'missing'"):
        optimise(P_GRAPH, EVERYTHING, (Breaking(),))


def test_a_broken_graph_is_refused() -> None:
    with pytest.raises(GraphError, match="missing"):
        optimise(Breaking().apply(P_GRAPH, EVERYTHING).graph, EVERYTHING)

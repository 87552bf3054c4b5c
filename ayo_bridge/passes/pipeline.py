"""The passes in order, and the loop over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ayo_bridge.errors import GraphError
from ayo_bridge.graph.graph import Graph
from ayo_bridge.passes.decoding import DecodingPipelining
from ayo_bridge.passes.prefilling import PrefillingSplit
from ayo_bridge.passes.pruning import DependencyPruning
from ayo_bridge.passes.rewrite import Decision, Pass, PassContext, Rewrite
from ayo_bridge.passes.stages import StageDecomposition

PIPELINE: Final[tuple[Pass, ...]] = (
    DependencyPruning(),
    StageDecomposition(),
    DecodingPipelining(),
    PrefillingSplit(),
)
"""The paper's four. Prefilling split comes last, not third: it weighs when values become known,
and no other pass may change that afterwards."""

OnPass = Callable[[Pass, Graph, Rewrite], None]


@dataclass(frozen=True, slots=True)
class Optimised:
    """An e-graph and every decision that led to it, in order."""

    graph: Graph
    decisions: tuple[Decision, ...]


def optimise(
    graph: Graph,
    context: PassContext,
    passes: tuple[Pass, ...] = PIPELINE,
    on_pass: OnPass | None = None,
) -> Optimised:
    """Run ``passes`` over a p-graph, once each: a second round would change nothing.

    ``on_pass`` is called after each pass with the pass, the graph before, and the rewrite.

    Raises:
        GraphError: the graph is invalid, or a pass made it so (the message names the pass).
    """
    graph.verify()
    decisions: list[Decision] = []
    for each in passes:
        rewrite = each.apply(graph, context)
        if rewrite.graph is not graph:
            try:
                rewrite.graph.verify()
            except GraphError as error:
                raise GraphError(f"after {each.name}: {error}") from error
        if on_pass is not None:
            on_pass(each, graph, rewrite)
        decisions += rewrite.decisions
        graph = rewrite.graph
    return Optimised(graph, tuple(decisions))

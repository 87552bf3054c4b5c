"""Pass 1, dependency pruning: what no data ties together need not wait for each other.

Paper: edges that carry no data are deleted. Here the order around effects is kept, and a batchable
primitive that gathers several values is cut by value, since its edges are data edges only for the
part of the batch they feed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ayo_bridge.graph.graph import Graph
from ayo_bridge.graph.primitive import Effect, Primitive
from ayo_bridge.graph.timing import critical_path
from ayo_bridge.passes.cutting import Cutter, batch_inputs, may_be_cut
from ayo_bridge.passes.fences import fences_of, is_fence
from ayo_bridge.passes.rewrite import Decision, PassContext, Rewrite


@dataclass(frozen=True, slots=True)
class DependencyPruning:
    """Drop order-only edges and cut batches by value.

    Without ``speculate`` no branch starts before its condition is decided, as in the paper.
    """

    speculate: bool = True
    name: ClassVar[str] = "dependency-pruning"

    def apply(self, graph: Graph, context: PassContext) -> Rewrite:
        """Rewrite ``graph``; the order around writes, conditions and unknown effects stays."""
        decisions: list[Decision] = []
        speculating = [primitive for primitive in graph if primitive.speculative]
        if speculating and not self.speculate:
            graph = graph.replace(
                remove=[primitive.id for primitive in speculating],
                add=[replace(primitive, speculative=()) for primitive in speculating],
            )
        cut = self._cut_by_value(graph, context, decisions)
        fences = fences_of(cut) if cut.order else None
        kept = set(fences.edges()) if fences is not None else set()
        order = cut.order
        pruned = cut
        if kept != set(order):
            pruned = cut.with_order(_in_order(order, kept))
            decisions.insert(0, self._dropped(graph, cut, pruned, context))
        decisions += [
            Decision(self.name, (condition.id,), True, "its branches start before it is decided")
            for condition in speculating
            if self.speculate
        ]
        decisions += [
            Decision(self.name, edge, False, _why_kept(cut, edge)) for edge in pruned.order
        ]
        return Rewrite(pruned, tuple(decisions))

    def _dropped(self, graph: Graph, cut: Graph, pruned: Graph, context: PassContext) -> Decision:
        seconds = context.profiles.seconds
        known = {primitive.id: seconds(primitive) for primitive in graph}
        gain = None
        if None not in known.values():
            known |= {p.id: seconds(p) for p in pruned if p.id not in known}
            before, after = (
                critical_path(each, lambda primitive: known[primitive.id])
                for each in (graph, pruned)
            )
            gain = before - after
        left = set(pruned.order)
        dropped = [edge for edge in cut.order if edge not in left]
        targets = tuple(dict.fromkeys(name for edge in dropped for name in edge))
        reason = f"{len(dropped)} order edges carry no data"
        return Decision(self.name, targets, True, reason, gain)

    def _cut_by_value(self, graph: Graph, context: PassContext, decisions: list[Decision]) -> Graph:
        def follows(primitive: Primitive) -> bool:
            return may_be_cut(primitive, strict=context.strict)

        def start(primitive: Primitive) -> None:
            values = batch_inputs(primitive)
            if len(values) < 2 or not primitive.batchable or primitive.stage is not None:
                return
            if len({graph.producer(value) for value in values}) < 2:
                return
            if primitive.effect is not Effect.PURE:
                reason = "it has an effect: its batch stays whole"
            elif not may_be_cut(primitive, strict=context.strict):
                reason = "strict: another batch would change the last bits of the scores"
            else:
                cutter.by_input(primitive)
                reason = f"cut by value: {', '.join(values)} arrive at different times"
                decisions.append(Decision(self.name, (primitive.id,), True, reason))
                return
            decisions.append(Decision(self.name, (primitive.id,), False, reason))

        cutter = Cutter(graph, follows)
        return cutter.sweep(start)


def _in_order(
    order: tuple[tuple[str, str], ...], kept: set[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The edges to keep: those that were there first, as they stood, then the new ones."""
    old = [edge for edge in order if edge in kept]
    return old + sorted(kept.difference(old))


def _why_kept(graph: Graph, edge: tuple[str, str]) -> str:
    fence = graph[edge[0]] if is_fence(graph[edge[0]]) else graph[edge[1]]
    if fence.effect is Effect.UNKNOWN:
        return f"order kept: the effect of {fence.id} is unknown"
    if fence.effect is Effect.WRITE:
        return f"order kept: {fence.id} writes to {fence.engine}"
    return f"order kept: {fence.id} decides what runs"

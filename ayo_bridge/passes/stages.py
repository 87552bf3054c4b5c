"""Pass 2, stage decomposition: a large batch is cut so that what follows can start on its parts.

Paper: a batchable primitive whose input reaches the engine's maximum efficient batch size b* is cut
into stages of b*, each pipelined with batchable successors. Here what a decode will feed item by
item is left to decoding pipelining: stages could begin only when the whole text is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ayo_bridge.graph.graph import Graph
from ayo_bridge.graph.primitive import Effect, Primitive
from ayo_bridge.passes.cutting import Cutter, batch_inputs, may_be_cut
from ayo_bridge.passes.decoding import fed_by_items
from ayo_bridge.passes.rewrite import Decision, PassContext, Rewrite


@dataclass(frozen=True, slots=True)
class StageDecomposition:
    """Cut batchable primitives of more than b* items into ceil(n / b*) stages."""

    name: ClassVar[str] = "stage-decomposition"

    def apply(self, graph: Graph, context: PassContext) -> Rewrite:
        """Rewrite ``graph``; b* comes from the profiles only."""
        decisions: list[Decision] = []
        fed = fed_by_items(graph, context)

        def follows(primitive: Primitive) -> bool:
            # A primitive that gathers several values is pruning's to cut: its stages would not line
            # up with those of one of them.
            gathers = len(batch_inputs(primitive)) > 1
            if gathers or primitive.id in fed:
                return False
            return may_be_cut(primitive, strict=context.strict)

        def start(primitive: Primitive) -> None:
            if not primitive.batchable or primitive.items < 2 or primitive.stage is not None:
                return
            best = context.profiles.best_batch(primitive.engine)
            gain = None
            if best is None:
                reason = f"no profile of {primitive.engine!r} says what its b* is"
            elif primitive.items <= best:
                reason = f"{primitive.items} items are not more than b* = {best}"
            elif primitive.effect is Effect.UNKNOWN or len(primitive.outputs) != 1:
                reason = "its effect or its result is not known to come apart"
            elif not may_be_cut(primitive, strict=context.strict):
                reason = "strict: another batch would change the last bits of the scores"
            elif primitive.id in fed:
                reason = f"the items of {fed[primitive.id]} start it one by one"
            elif not cutter.followers(primitive):
                reason = "nothing batchable follows that could start on a part"
            else:
                stages = -(-primitive.items // best)
                last = primitive.items - (stages - 1) * best
                gain = cutter.gain(primitive, last / primitive.items, context.profiles.seconds)
                if gain is None or gain > 0:
                    cutter.into_stages(primitive, best)
                    reason = f"{primitive.items} items in {stages} stages of b* = {best}"
                    decisions.append(Decision(self.name, (primitive.id,), True, reason, gain))
                    return
                reason = "the predicted gain is not positive"
            decisions.append(Decision(self.name, (primitive.id,), False, reason, gain))

        cutter = Cutter(graph, follows)
        return Rewrite(cutter.sweep(start), tuple(decisions))

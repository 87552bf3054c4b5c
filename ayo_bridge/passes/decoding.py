"""Pass 4, decoding pipelining: each item of a decode starts its successors when it is complete."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ayo_bridge.graph.graph import Graph
from ayo_bridge.graph.primitive import Effect, Op, Primitive
from ayo_bridge.passes.cutting import Cutter, may_be_cut
from ayo_bridge.passes.rewrite import Decision, PassContext, Rewrite


@dataclass(frozen=True, slots=True)
class DecodingPipelining:
    """Cut a splittable decode into a chain of partial decodings, one an item."""

    name: ClassVar[str] = "decoding-pipelining"

    def apply(self, graph: Graph, context: PassContext) -> Rewrite:
        """Rewrite ``graph``; every decode gets a decision."""
        decisions: list[Decision] = []

        def follows(primitive: Primitive) -> bool:
            # An item may still turn out different from what the original parses: no writes.
            pure = primitive.effect is Effect.PURE
            return pure and may_be_cut(primitive, strict=context.strict)

        def start(decode: Primitive) -> None:
            if decode.op is not Op.DECODING:
                return
            gain = None
            if decode.items < 2:
                reason = "its output is one item"
            elif not decode.splittable or len(decode.outputs) != 1:
                reason = "its items cannot be recognised while it is being decoded"
            elif not cutter.followers(decode):
                reason = "nothing batchable follows that could start on an item"
            elif decode.engine not in context.can_stream:
                reason = f"not proven yet that a reply of {decode.engine!r} can be rebuilt exactly"
            else:
                gain = _gain(cutter, decode, context)
                if gain is None or gain > 0:
                    cutter.into_items(decode)
                    reason = f"{decode.items} items, each passed on when it is complete"
                    decisions.append(Decision(self.name, (decode.id,), True, reason, gain))
                    return
                reason = "the predicted gain is not positive"
            decisions.append(Decision(self.name, (decode.id,), False, reason, gain))

        cutter = Cutter(graph, follows)
        return Rewrite(cutter.sweep(start), tuple(decisions))


def _gain(cutter: Cutter, decode: Primitive, context: PassContext) -> float | None:
    """Seconds saved after the last item; ``None`` if an engine involved has no profile.

    What follows then has one item left to do instead of all, but may have to wait: an engine that
    was given the item before is busy with it, unless decoding an item takes longer.
    """
    seconds = context.profiles.seconds
    saved = cutter.gain(decode, 1 / decode.items, seconds)
    if saved is None:
        return None
    between = (seconds(decode) or 0.0) / decode.items
    busy = [seconds(replace(follower, items=1)) or 0.0 for follower in cutter.followers(decode)]
    return saved - max(max(busy) - between, 0.0)

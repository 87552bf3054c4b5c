"""Pass 4, decoding pipelining: each item of a decode starts its successors when it is complete."""

from __future__ import annotations

from collections.abc import Mapping
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

        def start(decode: Primitive) -> None:
            if decode.op is not Op.DECODING:
                return
            decision = _decide(cutter, decode, context)
            decisions.append(decision)
            if decision.applied:
                cutter.into_items(decode)

        cutter = _cutter(graph, context)
        return Rewrite(cutter.sweep(start), tuple(decisions))


def fed_by_items(graph: Graph, context: PassContext) -> Mapping[str, str]:
    """The primitives that decoding pipelining will cut, each with the decode whose items do it."""
    cutter = _cutter(graph, context)
    fed: dict[str, str] = {}
    for decode in graph:
        if not decode.splittable or decode.op is not Op.DECODING:
            continue
        if not _decide(cutter, decode, context).applied:
            continue
        reached = [*cutter.followers(decode)]
        for primitive in reached:  # which grows
            if primitive.id not in fed:
                fed[primitive.id] = decode.id
                reached += cutter.followers(primitive)
    return fed


def _cutter(graph: Graph, context: PassContext) -> Cutter:
    def follows(primitive: Primitive) -> bool:
        # An item may still turn out different from what the original parses: no writes.
        pure = primitive.effect is Effect.PURE
        return pure and may_be_cut(primitive, strict=context.strict)

    return Cutter(graph, follows)


def _decide(cutter: Cutter, decode: Primitive, context: PassContext) -> Decision:
    gain = None
    applied = False
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
        applied = gain is None or gain > 0
        reason = (
            f"{decode.items} items, each passed on when it is complete"
            if applied
            else "the predicted gain is not positive"
        )
    return Decision(DecodingPipelining.name, (decode.id,), applied, reason, gain)


def _gain(cutter: Cutter, decode: Primitive, context: PassContext) -> float | None:
    """Seconds saved after the last item; ``None`` if an engine involved has no profile.

    What follows then has one item left to do instead of all, but may have to wait: an engine that
    was given the item before is busy with it, unless decoding an item takes longer. And a server
    has to send each token by itself.
    """
    seconds = context.profiles.seconds
    saved = cutter.gain(decode, 1 / decode.items, seconds)
    if saved is None:
        return None
    decoding = seconds(decode) or 0.0
    saved -= context.streaming * decoding
    between = decoding / decode.items
    busy = [seconds(replace(follower, items=1)) or 0.0 for follower in cutter.followers(decode)]
    return saved - max(max(busy) - between, 0.0)

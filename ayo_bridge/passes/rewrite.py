"""What a pass is: the contract, what it is told, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from ayo_bridge.graph.graph import Graph
from ayo_bridge.graph.primitive import CONTROL_OPS, Op, Primitive


@dataclass(frozen=True, slots=True)
class Decision:
    """A rewrite that was done or refused.

    ``targets`` are ids of the graph the pass was given. ``predicted_gain`` is in seconds of one
    query's latency, ``None`` where an engine involved has no profile.
    """

    pass_name: str
    targets: tuple[str, ...]
    applied: bool
    reason: str
    predicted_gain: float | None = None


class Costs(Protocol):
    """What primitives and batches are known to cost."""

    def seconds(self, primitive: Primitive) -> float | None:
        """Estimate a primitive; what runs on no engine is free, ``None`` is unknown."""

    def best_batch(self, engine: str) -> int | None:
        """b* of an engine; ``None`` if it is unknown."""


class Unknown:
    """Nothing was ever measured."""

    def seconds(self, primitive: Primitive) -> float | None:
        """Unknown, but for what runs on no engine: that is free."""
        if primitive.op in CONTROL_OPS:
            return None if primitive.op is Op.EXPAND else 0.0
        return None

    def best_batch(self, engine: str) -> int | None:
        """Unknown."""
        return None


@dataclass(frozen=True, slots=True)
class PassContext:
    """What passes may rely on.

    ``can_stream`` names the LLM engines whose decodes may be streamed internally (a non-streamed
    reply can be rebuilt exactly); ``can_warm`` those that take prefix warms. With ``strict`` no
    pass may change which items an embedding or a reranking batch holds. ``sequences`` says how many
    sequences of other queries each instance of an LLM engine runs, on average, where that is known.
    ``streaming`` is what it costs to stream an answer internally, as a share of its decode.
    """

    profiles: Costs = field(default_factory=Unknown)
    can_stream: frozenset[str] = frozenset()
    can_warm: frozenset[str] = frozenset()
    strict: bool = False
    sequences: Mapping[str, float] = field(default_factory=dict)
    streaming: float = 0.0


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The graph after a pass (the same object if nothing changed) and what was decided."""

    graph: Graph
    decisions: tuple[Decision, ...] = ()


class Pass(Protocol):
    """A rewrite of the graph. The graph verifies before and after; a second run changes nothing."""

    name: ClassVar[str]

    def apply(self, graph: Graph, context: PassContext) -> Rewrite:
        """Rewrite ``graph``, deterministically."""

"""Running totals over the calls of an accelerated object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ayo_bridge.graph import Op
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall, Outcome


@dataclass(slots=True)
class PrimitiveTotals:
    """All calls of one kind of primitive to one engine. Seconds are the engine's."""

    op: Op
    engine: str
    calls: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    """Seconds on the critical path: the original stood still for them."""


@dataclass(slots=True)
class Counters:
    """Running totals over the finished calls of one accelerated object.

    The original's own engine calls are ``hits + direct + missed``. A call that it had to make
    although a result was computed ahead in vain is ``missed``: within one call and engine, each
    wasted or dropped result stands against one of the original's own calls, if there are any.
    """

    calls: int = 0
    """Calls of the accelerated object."""
    hits: int = 0
    direct: int = 0
    missed: int = 0
    wasted: int = 0
    dropped: int = 0
    cancelled: int = 0
    """Computed ahead in calls that their callers cancelled or left, or that raised."""
    warms: int = 0
    fused: int = 0
    """Of the original's own calls, those that the engine scheduler served."""
    batched: int = 0
    """Engine calls that ran in one batch with others."""
    batch_sizes: int = 0
    """Sum of the sizes of their batches."""
    saved: float = 0.0
    waited: float = 0.0
    primitives: dict[tuple[Op, str], PrimitiveTotals] = field(default_factory=dict)

    def add(self, record: CallRecord) -> None:
        """Count a finished call."""
        calls = list(record.calls)
        self.calls += 1
        if not record.ran_ahead and all(map(is_own, calls)):
            self.direct += len(calls)
        else:
            self._add_outcomes(calls)
        for part in record.family():
            for call in part.own_calls:
                self._add_call(call, op_of(part, call))

    def _add_outcomes(self, calls: list[EngineCall]) -> None:
        missed = sum(missed_by_engine(calls).values())
        outcomes = Counter(call.outcome for call in calls if not is_own(call))
        self.hits += outcomes[Outcome.HIT]
        self.missed += missed
        self.direct += sum(map(is_own, calls)) - missed
        self.wasted += outcomes[Outcome.WASTED]
        self.dropped += outcomes[Outcome.DROPPED]
        self.cancelled += outcomes[Outcome.CANCELLED]
        self.warms += outcomes[Outcome.WARM]

    def _add_call(self, call: EngineCall, op: Op) -> None:
        self.fused += call.fused
        if call.batch > 1:
            self.batched += 1
            self.batch_sizes += call.batch
        self.saved += call.saved
        self.waited += call.waited
        row = self.primitives.get((op, call.engine))
        if row is None:
            row = self.primitives[op, call.engine] = PrimitiveTotals(op, call.engine)
        row.calls += 1
        row.seconds += call.seconds
        row.waited += call.waited


def is_own(call: EngineCall) -> bool:
    """Whether the original made the call itself, alone or through the engine scheduler."""
    return call.fused or call.outcome is Outcome.DIRECT


def was_ahead(call: EngineCall) -> bool:
    """Whether the call was made ahead for the original, and what became of it is known."""
    return not is_own(call) and call.outcome not in (Outcome.AHEAD, Outcome.WARM)


def missed_by_engine(calls: Iterable[EngineCall]) -> Counter[str]:
    """How many of the original's own calls had been computed ahead in vain, by engine."""
    own: Counter[str] = Counter()
    vain: Counter[str] = Counter()
    for call in calls:
        if is_own(call):
            own[call.engine] += 1
        elif call.outcome in (Outcome.WASTED, Outcome.DROPPED):
            vain[call.engine] += 1
    return own & vain


def op_of(record: CallRecord, call: EngineCall) -> Op:
    """What the primitive of a call does; ``HOST`` if the graphs do not know it."""
    account = record.settled()
    for graph in (account.e_graph, account.p_graph):
        if call.primitive in graph.primitives:
            return graph.primitives[call.primitive].op
    return Op.HOST

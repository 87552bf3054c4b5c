"""What an accelerated object carries: what was lifted, its last calls and its running totals."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Hashable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ayo_bridge.graph import Op, Template
from ayo_bridge.observe.call import EngineCall, Outcome
from ayo_bridge.observe.record import CallRecord

if TYPE_CHECKING:
    from ayo_bridge.runtime import Runtime

ENOUGH_AHEAD = 20
"""So many calls ahead must have ended before run-ahead is judged."""
JUDGED_AHEAD = 200
"""So many of the last calls ahead are judged together."""
TOLERATED_WASTE = 0.05
"""Share of the judged calls that may go unused."""
_LATER = 64
"""So many finished calls in which nothing ran ahead may wait to be counted."""


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
        for call in calls:
            self._add_call(call, op_of(record, call))

    def _add_outcomes(self, calls: list[EngineCall]) -> None:
        missed = sum(missed_by_engine(calls).values())
        outcomes = Counter(call.outcome for call in calls if not is_own(call))
        self.hits += outcomes[Outcome.HIT]
        self.missed += missed
        self.direct += sum(map(is_own, calls)) - missed
        self.wasted += outcomes[Outcome.WASTED]
        self.dropped += outcomes[Outcome.DROPPED]
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


@dataclass(slots=True, eq=False, weakref_slot=True)
class AcceleratedState:
    """The state of one accelerated object. Thread-safe.

    Args:
        adapter: name of the adapter that lifted it.
        target: name of its class.
        template: what it was lifted to.
        opaque: names of the parts that were not lifted, each with the reason.
        switched_off: why nothing runs ahead for this object any more; empty while it does.
    """

    adapter: str
    target: str
    runtime: Runtime
    template: Template
    opaque: tuple[tuple[str, str], ...] = ()
    switched_off: str = ""
    lifts: dict[Hashable, Any] = field(init=False, default_factory=dict)
    """What the adapter keeps of earlier calls, as long as it holds."""
    _records: deque[CallRecord] = field(init=False)
    _new: deque[CallRecord] = field(init=False, default_factory=deque)
    _counters: Counters = field(init=False, default_factory=Counters)
    _unused: deque[bool] = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._records = deque(maxlen=self.runtime.history)
        self._unused = deque(maxlen=JUDGED_AHEAD)

    def __deepcopy__(self, memo: object) -> AcceleratedState:
        """A copy of an accelerated object shares its state; locks and engines are not copied."""
        return self

    def note(self, record: CallRecord) -> None:
        """Take in a call whose scope has closed, and judge by it whether to go on.

        A call in which nothing ran ahead gives nothing to judge; it is counted some time later.
        """
        self._new.append(record)
        # Never waits: a stream may be collected, and its call end, wherever Python allocates, even
        # in this thread inside of this lock. Who holds it, or comes next, counts this one.
        if (record.ran_ahead or len(self._new) > _LATER) and self._lock.acquire(blocking=False):
            try:
                self._count()
            finally:
                self._lock.release()

    def _count(self) -> None:
        """Take in what has been noted. The lock is held."""
        while self._new:
            record = self._new.popleft()
            self._records.append(record)
            self._counters.add(record)
            if record.ran_ahead:
                self._unused.extend(
                    call.outcome is not Outcome.HIT
                    for call in list(record.calls)
                    if was_ahead(call)
                )
        if not self.switched_off:
            self.switched_off = self._harm()

    def _harm(self) -> str:
        """Why run-ahead does more harm than good here; empty if it does not."""
        judged, unused = len(self._unused), sum(self._unused)
        if judged < ENOUGH_AHEAD or unused <= TOLERATED_WASTE * judged:
            return ""
        return (
            f"{unused} of the last {judged} results computed ahead were not used "
            f"({unused / judged:.1%}; {TOLERATED_WASTE:.0%} are tolerated)"
        )

    def switch_off(self, reason: str) -> None:
        """Run nothing ahead for this object from now on; the first reason stays."""
        with self._lock:
            self.switched_off = self.switched_off or reason

    @property
    def runs_ahead(self) -> bool:
        """Whether the next call may run ahead."""
        return self.runtime.run_ahead and not self.switched_off

    def history(self) -> tuple[CallRecord, ...]:
        """The last finished calls, oldest first; as many as the runtime remembers."""
        with self._lock:
            self._count()
            return tuple(self._records)

    def totals(self) -> Counters:
        """Running totals over all finished calls."""
        with self._lock:
            self._count()
            return deepcopy(self._counters)


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

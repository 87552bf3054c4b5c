"""What is known of the calls that were accelerated: what bounds them, and what engines did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ayo_bridge.graph.graph import Graph
from ayo_bridge.observe.critical import Left, longest_left
from ayo_bridge.observe.expected import Alone
from ayo_bridge.observe.lanes import Interval, union
from ayo_bridge.observe.waits import wait_of
from ayo_bridge.record.counters import Counters
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall, Outcome


@dataclass(frozen=True, slots=True)
class EngineUse:
    """An engine over the rounds of one load.

    Args:
        busy: share of the time (0 to 1) in which it had a call of ours.
        in_flight: calls of ours that it had, on average.
        batch: mean size of the batches that held more than one call; 0: there were none.
    """

    engine: str
    calls: int
    busy: float
    in_flight: float
    batch: float = 0.0


@dataclass(frozen=True, slots=True)
class Work:
    """Engine calls of the accelerated arm under one load, as its counters have them.

    ``wasted`` were made ahead and never used, ``failed`` failed; ``unseen`` calls of the object
    were let through, as there was nothing to gain.
    """

    needed: int = 0
    ahead: int = 0
    wasted: int = 0
    failed: int = 0
    cancelled: int = 0
    warms: int = 0
    unseen: int = 0
    engines: tuple[EngineUse, ...] = ()

    @property
    def wasted_share(self) -> float:
        """Of what was made ahead, the share that was in vain."""
        vain = self.wasted + self.failed
        return vain / (vain + self.ahead) if vain else 0.0


@dataclass(frozen=True, slots=True)
class Bound:
    """What the data dependencies allow, in mean seconds of a call.

    The longest chain of engine calls that need each other's answers, each as long as it takes
    alone, and the application's own code. ``took`` is what the same calls took.
    """

    seconds: float
    took: float
    calls: int

    @property
    def share(self) -> float:
        """How much of what is possible has been reached (0 to 1)."""
        return min(1.0, self.seconds / self.took) if self.took > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Stood:
    """An engine or part on the critical path: the caller stood still for it."""

    what: str
    seconds: float
    """Mean seconds of a call."""


@dataclass(frozen=True, slots=True)
class Path:
    """Where the time of a call goes, at one user."""

    bound: Bound | None = None
    stood: tuple[Stood, ...] = ()
    own: float = 0.0
    """Seconds of the application's own code, and the framework's, while no engine is waited for."""
    left: Left | None = None
    """The longest of it, and what would shorten it."""
    original: tuple[EngineUse, ...] = ()
    """Engines while the original made its calls one by one."""


def worked(
    pieces: Iterable[tuple[Sequence[CallRecord], Counters, Counters, int, float]],
) -> Work:
    """Sum up rounds: records, counters before and after, calls, and seconds of the clock."""
    hits = direct = missed = wasted = failed = cancelled = warms = unseen = 0
    wall = 0.0
    engines: dict[str, list[EngineCall]] = defaultdict(list)
    for records, before, after, calls, seconds in pieces:
        hits += after.hits - before.hits
        direct += after.direct - before.direct
        missed += after.missed - before.missed
        wasted += after.wasted - before.wasted
        failed += after.dropped - before.dropped
        cancelled += after.cancelled - before.cancelled
        warms += after.warms - before.warms
        unseen += max(0, calls - len(records))
        wall += seconds
        for record in records:
            for call in record.calls:
                engines[call.engine].append(call)
    used = tuple(use(name, calls, wall) for name, calls in sorted(engines.items()))
    return Work(
        hits + direct + missed, hits, wasted, failed, cancelled, warms, unseen, used if wall else ()
    )


def use(engine: str, calls: Sequence[EngineCall], wall: float) -> EngineUse:
    """What an engine did in so many seconds."""
    spans = [
        (call.started, call.ended)
        for call in calls
        if call.started is not None and call.ended is not None
    ]
    shared = [call.batch for call in calls if call.batch > 1]
    return EngineUse(
        engine,
        len(calls),
        min(1.0, _length(spans) / wall),
        sum(end - start for start, end in spans) / wall,
        sum(shared) / len(shared) if shared else 0.0,
    )


def path(records: Sequence[CallRecord], alone: Sequence[CallRecord]) -> Path:
    """Where the time of accelerated calls goes that were made one by one.

    ``alone`` are records of calls that tell how long an engine takes for one at a time.
    """
    whole = [record for record in records if record.whole and record.ended is not None]
    before = _used(alone)
    if not whole:
        return Path(original=before)
    known = Alone(call for record in (*alone, *whole) for call in record.calls)
    stood: dict[str, float] = defaultdict(float)
    own = 0.0
    for record in whole:
        waits: dict[str, list[Interval]] = defaultdict(list)
        for call in record.calls:
            if (wait := wait_of(call)) is not None:
                waits[call.engine].append(wait)
        for engine, spans in waits.items():
            stood[engine] += _length(spans)
        every = _length(span for spans in waits.values() for span in spans)
        own += max(0.0, (record.ended or 0.0) - record.started - every)
    rows = sorted(stood.items(), key=lambda row: -row[1])
    return Path(
        _bound(whole, known),
        tuple(Stood(engine, seconds / len(whole)) for engine, seconds in rows),
        own / len(whole),
        longest_left(whole),
        before,
    )


def _used(records: Sequence[CallRecord]) -> tuple[EngineUse, ...]:
    """Engines over calls that were made one by one."""
    engines: dict[str, list[EngineCall]] = defaultdict(list)
    for record in records:
        for call in record.calls:
            engines[call.engine].append(call)
    wall = sum(record.until - record.started for record in records)
    return tuple(use(name, calls, wall) for name, calls in sorted(engines.items()) if wall > 0)


def _bound(records: Sequence[CallRecord], alone: Alone) -> Bound | None:
    """Over the calls of which something was made ahead: of others no dependency is known."""
    found = [record for record in records if any(c.outcome is Outcome.HIT for c in record.calls)]
    if not found:
        return None
    took = [(record.ended or 0.0) - record.started for record in found]
    least = [min(shortest(record, alone), each) for record, each in zip(found, took, strict=True)]
    return Bound(sum(least) / len(found), sum(took) / len(found), len(found))


def shortest(record: CallRecord, alone: Alone) -> float:
    """Seconds that the data dependencies of a call allow.

    Engine calls that its graph does not know are taken to wait for everything before them: what
    the caller waited for them stays. So does its own code, which may be less than certain: some of
    it might run while engines work.
    """
    took = (record.ended or record.started) - record.started
    waits: list[Interval] = []
    longest = 0.0
    for part in record.family():
        graph = part.e_graph
        seconds: dict[str, float] = {}
        for call in part.own_calls:
            if call.primitive not in graph or graph[call.primitive].component == "opaque":
                continue
            if (wait := wait_of(call)) is not None:
                waits.append(wait)
            if call.outcome is Outcome.DIRECT or call.outcome is Outcome.HIT:
                name = call.primitive
                seconds[name] = max(seconds.get(name, 0.0), alone.seconds(call))
        longest += chain(graph, seconds)
    return took - _length(waits) + longest


def chain(graph: Graph, seconds: dict[str, float]) -> float:
    """The longest way along the data of a graph; what is for order only does not count."""
    ends: dict[str, float] = {}
    for name in graph.topological_order():
        before = max((ends[each] for each in graph.makers(name)), default=0.0)
        ends[name] = before + seconds.get(name, 0.0)
    return max(ends.values(), default=0.0)


def _length(spans: Iterable[Interval]) -> float:
    return sum(end - start for start, end in union(spans))


__all__ = ["Bound", "EngineUse", "Path", "Stood", "Work", "chain", "path", "shortest", "worked"]

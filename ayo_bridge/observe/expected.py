"""How long calls would have taken as the original makes them, estimated from their records.

What the original waited for is measured. What it was spared is not: it is the time that the
results found ready would have taken, each alone, along the original's own order. Everything that
is not known is taken so that less is won.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

from ayo_bridge.graph import LearnedCalls
from ayo_bridge.observe.lanes import Interval, union
from ayo_bridge.observe.waits import wait_of
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall, EngineKind, Outcome

_PREFILLS_A_DECODE: Final = 32
"""Prompt tokens that are taken to cost as much as one token of the answer."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Mean seconds of a call: as the original would make it, and as it was."""

    before: float
    after: float
    calls: int
    """How many calls these are means of."""
    at_most: bool = False
    """Calls of an engine always ran side by side, so how long one takes alone is not known: it is
    taken to be as long, and less may have been won."""

    @property
    def ratio(self) -> float:
        """How many times as fast."""
        return self.before / self.after if self.after > 0 else 1.0


def expected(records: Sequence[CallRecord]) -> Expected | None:
    """What the calls took and would have taken, from the first on in which something ran ahead.

    Calls that raised, were cancelled or left by their readers do not count. ``None`` if there are
    no others, or if nothing ran ahead in any.
    """
    ended = [record for record in records if record.whole and record.ended is not None]
    first = next((i for i, record in enumerate(ended) if helped(record)), None)
    if first is None:
        return None
    alone = Alone(call for record in ended for call in record.calls)
    counted = ended[first:]
    after = fmean((record.ended or 0.0) - record.started for record in counted)
    before = after + fmean(spared(record, alone) for record in counted)
    return Expected(before, after, len(counted), alone.guessed)


def helped(record: CallRecord) -> bool:
    """Whether a result that was made ahead was used."""
    return any(map(was_used, record.calls))


def was_used(call: EngineCall) -> bool:
    """Whether the call was made ahead, and its result used."""
    return call.outcome is Outcome.HIT and not call.fused


class Alone:
    """How long an engine call takes by itself.

    One that ran beside others of its engine may have been slowed down by them, so it is measured
    by those that ran alone: seconds for each token, or item.
    """

    def __init__(self, calls: Iterable[EngineCall]) -> None:
        self.guessed = False
        """Whether a call was asked about that nothing is known of but how long it took."""
        self._alone: set[int] = set()
        self._each: dict[tuple[str, bool], float] = {}
        engines: dict[str, dict[int, EngineCall]] = defaultdict(dict)
        for call in calls:
            if call.started is not None and call.ended is not None:
                engines[call.engine][id(call)] = call
        for ran in engines.values():
            self._measure(sorted(ran.values(), key=lambda call: call.started or 0.0))

    def _measure(self, calls: list[EngineCall]) -> None:
        each: dict[tuple[str, bool], list[float]] = defaultdict(list)
        busy = float("-inf")
        for i, call in enumerate(calls):
            started, ended = call.started or 0.0, call.ended or 0.0
            free_after = i + 1 == len(calls) or (calls[i + 1].started or 0.0) >= ended
            if busy <= started and free_after:
                self._alone.add(id(call))
                if call.outcome is not Outcome.WARM and not call.error and call.batch == 1:
                    each[_kind(call)].append(call.seconds / _size(call))
            busy = max(busy, ended)
        self._each.update((kind, median(seconds)) for kind, seconds in each.items())

    def seconds(self, call: EngineCall) -> float:
        """Seconds that the call would have taken; of a batch only its share."""
        if call.batch > 1:
            return call.seconds / call.batch
        if id(call) in self._alone:
            return call.seconds
        each = self._each.get(_kind(call))
        if each is None:
            self.guessed = True
            return call.seconds
        return min(call.seconds, each * _size(call))

    def slowed(self, call: EngineCall) -> float:
        """How many times as long the call took as it would have alone."""
        seconds = self.seconds(call)
        return call.seconds / seconds if seconds > 0 and call.batch == 1 else 1.0


def _size(call: EngineCall) -> float:
    if call.kind is not EngineKind.LLM:
        return max(call.items, 1)
    return max(call.completion_tokens + call.prompt_tokens / _PREFILLS_A_DECODE, 1.0)


def _kind(call: EngineCall) -> tuple[str, bool]:
    return call.engine, call.kind is EngineKind.LLM and call.completion_tokens > 0


def spared(record: CallRecord, alone: Alone) -> float:
    """Seconds that the call is expected to have been shortened by; never negative.

    Accelerated objects inside of it that ran side by side count once, with what most was won in.
    """
    own, *inside = record.family()
    total = _spared(own, alone)
    spans = [(part, (part.started, part.ended or part.started)) for part in inside]
    for start, end in union(span for _, span in spans):
        total += max(_spared(part, alone) for part, span in spans if start <= span[0] <= end)
    return total


def _spared(record: CallRecord, alone: Alone) -> float:
    hits = [call for call in record.own_calls if was_used(call)]
    if not hits:
        return 0.0
    waited = _length(wait for call in hits if (wait := wait_of(call)))
    shorter = _path(record, hits, alone) - waited
    if record.predicted_gain is not None and any(
        isinstance(component, LearnedCalls) for component in record.template.components
    ):
        # Learned graphs have data edges only; what was predicted for them was replayed in the
        # traced order of the original.
        one_by_one = sum(map(alone.seconds, hits)) - waited
        shorter = max(shorter, min(one_by_one, record.predicted_gain))
    return max(shorter, 0.0)


def _path(record: CallRecord, hits: Iterable[EngineCall], alone: Alone) -> float:
    """The longest way through the p-graph, which has the original's order, in seconds of hits.

    What the original starts together is on no common way, and counts once.
    """
    graph, cut = record.p_graph, record.e_graph
    seconds: dict[str, float] = {}
    for call in hits:
        root = cut[call.primitive].root if call.primitive in cut else call.primitive
        before, more = seconds.get(root, 0.0), alone.seconds(call)
        together = root not in graph or graph[root].concurrent
        seconds[root] = max(before, more) if together else before + more
    longest: dict[str, float] = {}
    for name in graph.topological_order():
        until = max((longest[each] for each in graph.predecessors(name)), default=0.0)
        longest[name] = until + seconds.get(name, 0.0)
    elsewhere = [took for name, took in seconds.items() if name not in graph]
    return max([0.0, *longest.values(), *elsewhere])


def _length(intervals: Iterable[Interval]) -> float:
    return sum(end - start for start, end in union(intervals))

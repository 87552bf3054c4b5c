"""What is learned while a lesson is in use: of sites to which few calls come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Final

from ayo_bridge.learn.live.lesson import ENOUGH
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Trace, trace_size

MOST_KEPT: Final = 8
MOST_SIZE: Final = 1_000_000
"""Of all traces that are kept for one function, in characters."""
MOST_LESSONS: Final = 6
"""So often something is learned anew beside what is in use."""
PATIENCE: Final = 32
"""So many calls are traced in the hope of another that comes to such a site."""


class Later:
    """The traces by which a lesson in use may be completed. Not thread-safe.

    A call in use that comes to a site of which too little was seen has the next ones traced, while
    they run ahead as ever. Once such a site has been seen in enough of them, all is learned again,
    from these traces and those before.
    """

    def __init__(self) -> None:
        self._base: list[Trace] = []
        self._more: list[Trace] = []
        self._hope = 0
        self._lessons = 0

    def begin(self, traces: Sequence[Trace]) -> None:
        """What was learned from these traces is in use from now on."""
        self._base = _kept(traces)
        self._more = []
        self._lessons += 1
        self._hope = 0

    def wanted(self, inputs: Mapping[str, str]) -> bool:
        """Whether the next call is to be traced."""
        if self._hope <= 0:
            return False
        self._hope -= 1
        return bool(inputs) and not any(
            trace.inputs == inputs for trace in (*self._base, *self._more)
        )

    def met_unknown(self) -> None:
        """A call has come to a site of which too little was seen."""
        if self._lessons <= MOST_LESSONS:
            self._hope = PATIENCE

    def take(self, trace: Trace, template: Template) -> list[Trace] | None:
        """Keep the trace of a call that ran ahead; all traces if there is enough to learn from."""
        room = MOST_SIZE - sum(map(trace_size, (*self._base, *self._more)))
        if trace_size(trace) > room or not unknown_sites(template, trace):
            return None
        self._more.append(_as_long(trace, self._base))
        seen = Counter(site for each in self._more for site in unknown_sites(template, each))
        if max(seen.values()) >= ENOUGH or len(self._more) >= MOST_KEPT:
            kept = _kept([*self._base, *self._more])
            self._more, self._hope = [], 0
            return kept
        return None


def unknown_sites(template: Template, trace: Trace) -> frozenset[str]:
    """The sites of a call of which the template has seen too little to say anything."""
    visits: Counter[str] = Counter()
    unknown: set[str] = set()
    for call in trace.calls:
        if call.kind is not Kind.HELPER and not template.knows(call.site, visits[call.site]):
            unknown.add(call.site)
        visits[call.site] += 1
    return frozenset(unknown)


def _as_long(trace: Trace, others: Sequence[Trace]) -> Trace:
    """The trace with calls as long as they were when nothing ran ahead.

    What the original takes ready-made takes no time; by that, nothing could be gained.
    """
    seconds: dict[str, list[float]] = {}
    for other in others:
        for call in other.calls:
            seconds.setdefault(call.site, []).append(call.seconds)
    usual = {site: median(own) for site, own in seconds.items()}
    calls = tuple(
        replace(call, seconds=max(call.seconds, usual.get(call.site, 0.0))) for call in trace.calls
    )
    return replace(trace, calls=calls)


def _kept(traces: Sequence[Trace]) -> list[Trace]:
    """At most so many of the traces, the last ones, but of each site as many as it needs."""
    kept = list(traces)
    size = sum(map(trace_size, kept))
    while len(kept) > MOST_KEPT or size > MOST_SIZE:
        often = Counter(site for trace in kept for site in _sites(trace))
        spare = (t for t in kept if all(often[site] > ENOUGH for site in _sites(t)))
        gone = next(spare, kept[0])
        kept.remove(gone)
        size -= trace_size(gone)
    return kept


def _sites(trace: Trace) -> Collection[str]:
    return {call.site for call in trace.calls if call.kind is not Kind.HELPER}

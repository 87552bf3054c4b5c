"""What is learned while a lesson is in use: of sites to which few calls come, and of a change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, median
from typing import Final, NamedTuple

from ayo_bridge.learn.live.lesson import ENOUGH, Lesson
from ayo_bridge.learn.replay import LEAST_GAIN, LEAST_SECONDS, replay
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Trace, trace_size

MOST_KEPT: Final = 8
MOST_SIZE: Final = 1_000_000
"""Of all traces that are kept for one function, in characters."""
MOST_LESSONS: Final = 6
"""So often something is learned anew beside what is in use."""
PATIENCE: Final = 32
"""So many calls are traced in the hope of another that comes to such a site."""


class Again(NamedTuple):
    """What is to be learned from anew: all traces, and the ``latest`` of them.

    The latest are empty unless all calls since the first of them have come to known sites more
    often than any before: then the program has changed. To other sites a branch may have led.
    """

    traces: list[Trace]
    latest: list[Trace]


class Later:
    """The traces by which a lesson in use may be completed. Not thread-safe.

    A call in use that comes to a site of which too little was seen has the next ones traced, while
    they run ahead as ever. Once such a site has been seen in enough of them, and in those before if
    these were too few, all is learned again from all traces.

    A call that follows one which asked something else than was predicted is traced, too: if it does
    so as well, the program has changed, and its trace is the first to learn from.
    """

    def __init__(self) -> None:
        self._base: list[Trace] = []
        self._more: list[Trace] = []
        self._hope = 0
        self._lessons = 0
        self._doubt = False
        self._usual = False
        """Whether a traced call has come no more often to known sites, or to others."""

    def begin(self, traces: Sequence[Trace]) -> None:
        """What was learned from these traces is in use from now on."""
        self._base = _kept(traces)
        self._more = []
        self._lessons += 1
        self._hope = 0
        self._doubt = self._usual = False

    def doubted(self, doubt: bool) -> None:
        """The last call has asked something else than was predicted, or has not."""
        self._doubt = doubt

    def first(self, trace: Trace) -> Trace:
        """The trace of a call that ran ahead as the first of a program that has changed."""
        return _as_long(trace, self._base)

    def wanted(self, inputs: Mapping[str, str]) -> bool:
        """Whether the next call is to be traced."""
        if self._hope <= 0 and not self._doubt:
            return False
        self._hope = max(0, self._hope - 1)
        return bool(inputs) and not any(
            trace.inputs == inputs for trace in (*self._base, *self._more)
        )

    def met_unknown(self) -> None:
        """A call has come to a site of which too little was seen."""
        if self._lessons <= MOST_LESSONS:
            self._hope = PATIENCE

    def take(self, trace: Trace, template: Template) -> Again | None:
        """Keep the trace of a call that ran ahead; all traces if there is enough to learn from."""
        room = MOST_SIZE - sum(map(trace_size, (*self._base, *self._more)))
        unknown = unknown_sites(template, trace)
        more = all(template.site(site) is not None for site in unknown)
        self._usual = self._usual or not unknown or not more
        if trace_size(trace) > room or not unknown:
            return None
        self._more.append(_as_long(trace, self._base))
        seen, before = (_coming_to_unknown(template, each) for each in (self._more, self._base))
        few = {site: count for site, count in before.items() if count < ENOUGH}
        often = max(count + few.get(site, 0) for site, count in seen.items())
        if often >= ENOUGH or len(self._more) >= MOST_KEPT:
            again = Again(_kept([*self._base, *self._more]), [] if self._usual else self._more)
            self._more, self._hope, self._usual = [], 0, False
            return again
        return None


def learn_again(
    again: Again, before: Template, learn: Callable[[Sequence[Trace]], Lesson]
) -> tuple[Lesson | None, list[Trace]]:
    """What is to be used from now on instead of ``before``, and what it was learned from.

    Where the program has changed, what it did before only misleads: then the latest calls are
    learned from alone, if clearly more is won by that. ``None``: nothing is won by anything new.
    """
    traces, latest = again
    lesson = learn(traces)
    if len(latest) >= ENOUGH:
        alone = learn(latest)
        before_that, after = _seconds(lesson.template, latest)
        margin = max(LEAST_SECONDS, LEAST_GAIN * before_that)
        if alone.after <= after - margin:
            lesson, traces = alone, latest
    if not lesson.worthwhile or _seconds(lesson.template, traces)[1] >= _seconds(before, traces)[1]:
        return None, traces
    return lesson, traces


def _seconds(template: Template, traces: Sequence[Trace]) -> tuple[float, float]:
    """Seconds of these calls on average, as they are and as they would be by a template."""
    replays = [replay(template, trace) for trace in traces]
    return fmean(each.before for each in replays), fmean(each.after for each in replays)


def unknown_sites(template: Template, trace: Trace) -> frozenset[str]:
    """The sites of a call of which the template has seen too little to say anything."""
    visits: Counter[str] = Counter()
    unknown: set[str] = set()
    for call in trace.calls:
        if call.kind is not Kind.HELPER and not template.knows(call.site, visits[call.site]):
            unknown.add(call.site)
        visits[call.site] += 1
    return frozenset(unknown)


def _coming_to_unknown(template: Template, traces: Sequence[Trace]) -> Counter[str]:
    """How many of the traces come to each site of which the template has seen too little."""
    return Counter(site for each in traces for site in unknown_sites(template, each))


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

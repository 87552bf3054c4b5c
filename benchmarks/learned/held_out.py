"""What a template that a few traces taught makes of the others: figures of one application."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ayo_bridge.learn.disk.storage import template_to_json
from ayo_bridge.learn.evidence import Whole, whole
from ayo_bridge.learn.induction.induce import induce
from ayo_bridge.learn.live.foresight import Foresight
from ayo_bridge.learn.live.lesson import DEADLINE
from ayo_bridge.learn.predict import Predicted
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Trace
from ayo_bridge.learn.visits import visits_of

_LONG: Final = 12
"""Shorter values say little of what a request was made of."""
_STEP: Final = 2
"""Traces from one choice of those to learn from to the next."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one application, as means over its held-out traces and choices of those to learn from.

    Args:
        calls: engine calls of a query.
        exact: how many of them were predicted to the byte.
        false: calls of a query that were predicted and never made.
        before, after, ideal: seconds of a query as it was, with the predicted calls made ahead, and
            with each call made as soon as the values in its request are known.
        induction: seconds of CPU that it took to learn, the most of all choices.
        prediction: seconds of CPU that a query's predictions took.
        size: characters of the template on disk.
    """

    calls: float
    exact: float
    false: float
    before: float
    after: float
    ideal: float
    induction: float
    prediction: float
    size: float

    @property
    def share(self) -> float:
        """The share of calls that were predicted exactly."""
        return self.exact / self.calls

    @property
    def gain(self) -> float:
        """How many times faster a query becomes."""
        return self.before / self.after

    @property
    def ideal_gain(self) -> float:
        """How many times faster it could become."""
        return self.before / self.ideal


Induce = Callable[[Sequence[Trace]], Template]


def within_deadline(traces: Sequence[Trace]) -> Template:
    """Induction as it is live, its deadline counted in the CPU time of this thread."""
    until = time.thread_time() + DEADLINE
    return induce(traces, lambda: time.thread_time() > until)


def choices(
    traces: Sequence[Trace], learned: int, ways: int
) -> Iterator[tuple[list[Trace], list[Trace]]]:
    """Ways to choose consecutive traces to learn from, each with those held out."""
    for first in range(0, _STEP * ways, _STEP):
        own = [(first + at) % len(traces) for at in range(learned)]
        rest = [trace for at, trace in enumerate(traces) if at not in own]
        yield [traces[at] for at in own], rest


def measure(
    traces: Sequence[Trace], learned: int = 4, ways: int = 1, teach: Induce = within_deadline
) -> Figures:
    """Learn from some of the traces and replay the others.

    Raises:
        ValueError: there are not more traces than are learned from, or one of them has no calls.
    """
    if len(traces) <= learned:
        raise ValueError(f"{len(traces)} traces are too few to learn from {learned}")
    rows: list[Figures] = []
    for own, rest in choices(traces, learned, ways):
        began = time.thread_time()
        template = teach(own)
        induction = time.thread_time() - began
        size = len(json.dumps(template_to_json(template)))
        rows += [_figures(template, trace, induction, size) for trace in rest]
    return mean(rows)


def mean(rows: Sequence[Figures]) -> Figures:
    """The means of figures; of induction the most."""

    def of(name: str) -> float:
        return statistics.fmean(getattr(row, name) for row in rows)

    return Figures(
        calls=of("calls"),
        exact=of("exact"),
        false=of("false"),
        before=of("before"),
        after=of("after"),
        ideal=of("ideal"),
        induction=max(row.induction for row in rows),
        prediction=of("prediction"),
        size=of("size"),
    )


def _figures(template: Template, trace: Trace, induction: float, size: int) -> Figures:
    replayed = replay(template, trace)
    if not (calls := sum(call.kind is not Kind.HELPER for call in trace.calls)):
        raise ValueError("a trace has no calls")
    return Figures(
        calls,
        len(replayed.exact),
        len(replayed.false),
        replayed.before,
        replayed.after,
        min(replayed.after, ideal(trace)),
        induction,
        predicting(template, trace),
        size,
    )


def predicting(template: Template, trace: Trace) -> float:
    """Seconds of CPU that the predictions of a call take, each value fed when it was known."""
    moments = [
        moment
        for site, calls in visits_of(trace).items()
        for call in calls
        for moment in ((call.began, site, call, True), (call.ended, site, call, False))
        if call.kind is not Kind.HELPER or not moment[-1]
    ]
    moments.sort(key=lambda each: each[0])
    began = time.thread_time()
    foresight = Foresight(template, trace.inputs)
    foresight.ready(_always)
    visits = {}
    for _, site, call, asked in moments:
        if asked:
            visits[id(call)] = foresight.asked(site, call.branch, call.request)
        else:
            visit = visits.get(id(call)) or foresight.asked(site, call.branch, call.request)
            foresight.answered(visit, call.result, own=True)
        foresight.ready(_always)
    return time.thread_time() - began


def _always(_: Predicted) -> bool:
    return True


def ideal(trace: Trace) -> float:
    """Seconds of a call whose engine calls start as soon as the values in their requests are known.

    Of values that are in several results the first one counts; what comes from nothing known and
    what decides whether a call is made at all do not.
    """
    seen = whole(trace)
    keys = {
        id(call): (site, at) for site, own in seen.visits.items() for at, call in enumerate(own)
    }
    done: dict[tuple[str, int], float] = {}
    for call in sorted(trace.calls, key=lambda call: call.began):
        key = keys[id(call)]
        if call.kind is not Kind.HELPER:
            done[key] = _start(seen, *key, done) + call.seconds
    return max(done.values(), default=0.0)


def _start(seen: Whole, site: str, visit: int, done: dict[tuple[str, int], float]) -> float:
    """When the values of a request are known."""
    call = seen.visits[site][visit]
    tokens = seen.sources(rich=True).cover(call.request, call.began, site, visit, helpers=False)
    start = 0.0
    for token in tokens:
        if token.sources and len(token.text) >= _LONG:
            start = max(start, min(_known(seen, source.path, done) for source in token.sources))
    return start


def _known(seen: Whole, path: tuple[str | int, ...], done: dict[tuple[str, int], float]) -> float:
    if path[0] == "in":
        return 0.0
    if path[0] == "mean":
        return max(at for (site, _), at in done.items() if site == path[1])
    return done[path[1], path[2]]  # type: ignore[index]

"""From traces of one callable to a learned template."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ayo_bridge.learn.attempts import Attempt
from ayo_bridge.learn.counts import count_of
from ayo_bridge.learn.evidence import Case, Whole, whole
from ayo_bridge.learn.numbering import orders_by_item
from ayo_bridge.learn.program import Hole, Program
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.sites import (
    SETTLED,
    AtLeast,
    LearnedClass,
    LearnedSite,
    Selector,
    Status,
)
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Trace
from ayo_bridge.learn.witness import witnessed

_MOST_UNROLLED = 8


def induce(traces: Sequence[Trace], deadline: Callable[[], bool] = lambda: False) -> Template:
    """What a few traces of one callable say about its next calls.

    Args:
        traces: calls that ended well. A site needs three in which it occurs, with distinct inputs.
        deadline: asked now and then; once it says so, the sites not done yet stay unsettled.
    """
    wholes = [whole(trace) for trace in traces]
    template = Template(tuple(_site(site, kind, wholes, deadline) for site, kind in _order(traces)))
    return template if deadline() else _without_contradicted(template, traces, deadline)


def _order(traces: Sequence[Trace]) -> list[tuple[str, Kind]]:
    """The sites in the order of their first calls, each trace counted from 0 to 1."""
    first: dict[str, float] = {}
    kinds: dict[str, Kind] = {}
    for trace in traces:
        last = max((call.ended for call in trace.calls), default=1) or 1
        for call in trace.calls:
            first[call.site] = min(first.get(call.site, 2.0), call.began / last)
            kinds[call.site] = call.kind
    return [(site, kinds[site]) for site in sorted(first, key=lambda site: first[site])]


@dataclass(frozen=True, slots=True)
class _Found:
    """Classes that were tried, and how many of the cases their programs make."""

    classes: tuple[LearnedClass, ...]
    made: int

    @property
    def rank(self) -> tuple[int, bool, int]:
        """More cases are better, then no tables (a constant a visit is surer), then few classes."""
        return self.made, not any(c.program.tables for c in self.classes), -len(self.classes)


def _site(
    site: str, kind: Kind, wholes: Sequence[Whole], deadline: Callable[[], bool]
) -> LearnedSite:
    if kind is Kind.HELPER:
        return LearnedSite(site, kind, (), AtLeast(0), Status.HELPER)
    cases = _cases(site, wholes)
    if (seen := _inputs(cases)) < SETTLED:
        reason = f"seen with {seen} distinct inputs, {SETTLED} are needed"
        return LearnedSite(site, kind, (), AtLeast(0), Status.UNSETTLED, reason)
    best = _best(cases, wholes, deadline)
    if best is not None and best.made < len(cases) and not deadline():
        best = _by_item(site, best, cases, wholes, deadline)
    if best is None or (deadline() and best.made < len(cases)):
        return LearnedSite(site, kind, (), AtLeast(0), Status.UNSETTLED, "the deadline had passed")
    count = count_of(site, best.classes, wholes)
    if best.made == len(cases):
        return LearnedSite(site, kind, best.classes, count, Status.LEARNED)
    reason = next((c.holes[0].reason for c in best.classes if c.holes), "seen too seldom")
    status = Status.PARTLY if best.made else Status.HOLE
    return LearnedSite(site, kind, best.classes, count, status, reason)


def _cases(site: str, wholes: Sequence[Whole]) -> list[Case]:
    return [
        Case(each, site, visit, call.request, call.began)
        for each in wholes
        for visit, call in enumerate(each.visits.get(site, ()))
    ]


def _best(
    cases: Sequence[Case], wholes: Sequence[Whole], deadline: Callable[[], bool]
) -> _Found | None:
    best: _Found | None = None
    for found in _tries(cases, wholes, deadline):
        best = found if best is None or found.rank > best.rank else best
        if best.rank[:2] == (len(cases), True):
            break
    return best


def _by_item(
    site: str,
    best: _Found,
    cases: Sequence[Case],
    wholes: Sequence[Whole],
    deadline: Callable[[], bool],
) -> _Found:
    """What is found if tasks that were made in no order are numbered by the item they follow."""
    before = [list(each.visits.get(site, ())) for each in wholes]
    if not any(len(calls) > 1 and any(call.branch for call in calls) for calls in before):
        return best
    for order in orders_by_item(cases):
        for each, calls in zip(wholes, before, strict=True):
            if calls:
                each.number(site, [calls[visit] for visit in order[id(each)]])
        found = _best(_cases(site, wholes), wholes, deadline)
        if found is not None and found.made > best.made:
            return found
        for each, calls in zip(wholes, before, strict=True):
            if calls:
                each.number(site, calls)
    return best


def _inputs(cases: Sequence[Case]) -> int:
    return len({case.whole.inputs for case in cases})


def _tries(
    cases: Sequence[Case], wholes: Sequence[Whole], deadline: Callable[[], bool]
) -> Iterator[_Found]:
    """Ways to see the visits, the simplest first: all, first and rest, each; then richer values."""
    most = max(case.visit for case in cases) + 1
    ways = [[Selector() if most > 1 else Selector(0, 0)]]
    if most > 1:
        ways.append([Selector(0, 0), Selector(1)])
        if most <= _MOST_UNROLLED:
            ways.append([Selector(visit, visit) for visit in range(most)])
    some_helper = any(each.helpers for each in wholes)
    for helpers in (False, True) if some_helper else (False,):
        for rich in (False, True):
            for way in ways:
                if deadline():
                    return
                yield _found(cases, way, rich, helpers, deadline)


def _found(
    cases: Sequence[Case],
    way: Sequence[Selector],
    rich: bool,
    helpers: bool,
    deadline: Callable[[], bool],
) -> _Found:
    classes: list[LearnedClass] = []
    made = 0
    for selector in way:
        part = [case for case in cases if selector.holds(case.visit)]
        inputs = _inputs(part)
        if inputs < SETTLED:
            reason = f"seen with {inputs} distinct inputs, {SETTLED} are needed"
            classes.append(LearnedClass(selector, Program((Hole(reason),)), len(part), inputs))
            continue
        program, accepted = Attempt(part, selector.relative, rich, helpers, deadline).program()
        if accepted:
            program = witnessed(program, part, selector.relative)
            made += len(part)
        classes.append(LearnedClass(selector, program, len(part), inputs))
    return _Found(tuple(classes), made)


def _without_contradicted(
    template: Template, traces: Sequence[Trace], deadline: Callable[[], bool]
) -> Template:
    """The template without sites that predict false calls in the traces themselves."""
    while not deadline():
        wrong = {site for trace in traces for site, _ in replay(template, trace).false}
        if not wrong:
            break
        template = template.without(wrong, "it predicts calls that its own traces do not have")
    return template

"""From traces of one callable to a learned template."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from ayo_bridge.learn.asked import add_values, fits, values_site
from ayo_bridge.learn.count import AtLeast
from ayo_bridge.learn.evidence import Case, Whole, wholes_of
from ayo_bridge.learn.induction.attempts import Attempt
from ayo_bridge.learn.induction.counts import count_of
from ayo_bridge.learn.induction.numbering import orders_by_item
from ayo_bridge.learn.induction.segments import ways_in_turn
from ayo_bridge.learn.induction.witness import witnessed
from ayo_bridge.learn.learned_site import SETTLED, LearnedClass, LearnedSite, Selector, Status
from ayo_bridge.learn.program import Hole, Join, Place, Program, Ref
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind, Trace

_MOST_UNROLLED = 32


def induce(traces: Sequence[Trace], deadline: Callable[[], bool] = lambda: False) -> Template:
    """What a few traces of one callable say about its next calls.

    Args:
        traces: calls that ended well. A site needs three in which it occurs, with distinct inputs.
        deadline: asked now and then; once it says so, the sites not done yet stay unsettled.
    """
    wholes = wholes_of(traces)
    sites = [_Site(site, kind, wholes, deadline) for site, kind in _order(traces)]
    for each in sites:
        if each.enough and not deadline() and not each.step():
            each.number_by_item()
    # Sites that need richer values wait until all the others are done.
    _step(sites, deadline)
    asked = {each.site: found for each in sites if (found := each.asked())}
    if not deadline() and sum(add_values(each, wholes) for each in asked.values()):
        for each in sites:
            each.go_on()
        _step(sites, deadline)
    learned = [each.learned() for each in sites]
    used = frozenset[str]().union(*(each.depends_on for each in learned))
    template = Template(
        tuple(
            one
            for each in learned
            for one in (each, asked.get(each.site))
            if one is each or (one is not None and one.site in used)
        )
    )
    return _without_contradicted(template, traces)


def _step(sites: Sequence[_Site], deadline: Callable[[], bool]) -> None:
    """Try richer and richer values for all sites that are not done, in turns."""
    open_sites = [each for each in sites if each.enough]
    while (open_sites := [each for each in open_sites if not each.done]) and not deadline():
        for each in open_sites:
            each.step()


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

    @property
    def predicting(self) -> tuple[LearnedClass, ...]:
        """The classes that have a program."""
        return tuple(each for each in self.classes if each.predicts)

    @property
    def bounds(self) -> frozenset[Place]:
        """The list after whose end the site goes on with another one, if it does."""
        made = all(each.predicts for each in self.classes)
        return frozenset(c.selector.after for c in self.classes if c.selector.after and made)

    @property
    def unsaid(self) -> tuple[int, int]:
        """Of programs with holes those say most that have few classes and find many values."""
        parts = [part for each in self.classes for part in each.program.parts]
        return len(self.classes), -sum(isinstance(part, Ref | Join) for part in parts)

    def after(self, sure: tuple[LearnedClass, ...], cases: Sequence[Case]) -> _Found:
        """The classes with others before them, which hold wherever they can."""
        if not sure:
            return self
        classes = sure + self.classes
        firsts = (next(e for e in classes if case.within(e.selector)) for case in cases)
        return _Found(classes, sum(each.predicts for each in firsts))


class _Site:
    """What is found out about a site, step by step."""

    def __init__(
        self, site: str, kind: Kind, wholes: Sequence[Whole], deadline: Callable[[], bool]
    ) -> None:
        self.site, self.kind, self.wholes, self.deadline = site, kind, wholes, deadline
        self.cases = self._cases()
        self.inputs = _inputs(self.cases)
        self.enough = kind is not Kind.HELPER and self.inputs >= SETTLED
        self.best: _Found | None = None
        self._tried: list[_Found] = []
        self._sure: tuple[LearnedClass, ...] = ()
        self._stages = _stages(wholes)
        self.done = False

    def _cases(self) -> list[Case]:
        return [
            Case(each, self.site, visit, call.request, call.began)
            for each in self.wholes
            for visit, call in enumerate(each.visits.get(self.site, ()))
        ]

    def step(self) -> bool:
        """Try the next richer values; whether all requests are made now."""
        if (stage := next(self._stages, None)) is None:
            self.done = True
        else:
            tries = _tries(self.cases, *stage, self.deadline)
            for tried in chain(tries, self._in_turn(*stage)):
                found = tried.after(self._sure, self.cases)
                self._tried.append(found)
                if self.best is None or found.rank > self.best.rank:
                    self.best = found
                for each in self.wholes:
                    each.bounds |= found.bounds
                if self.best.rank[:2] == (len(self.cases), True):
                    self.done = True
                    break
        return self.best is not None and self.best.made == len(self.cases)

    def _in_turn(self, rich: bool, helpers: bool) -> Iterator[_Found]:
        """Ways to see the visits as going through two lists in turn, or through lists in one."""
        tried = [each for found in self._tried for each in found.classes]
        for way in ways_in_turn(tried, self.cases, helpers):
            if self.deadline():
                return
            yield _found(self.cases, way, rich, helpers, self.deadline)

    def number_by_item(self) -> None:
        """See whether tasks that were made in no order follow the items of a list."""
        before = [list(each.visits.get(self.site, ())) for each in self.wholes]
        if not any(len(calls) > 1 and any(call.branch for call in calls) for calls in before):
            return
        for order in orders_by_item(self.cases):
            for each, calls in zip(self.wholes, before, strict=True):
                if calls:
                    each.number(self.site, [calls[visit] for visit in order[id(each)]])
            other = _Site(self.site, self.kind, self.wholes, self.deadline)
            while not other.done and not self.deadline():
                other.step()
            if other.best is not None and (self.best is None or other.best.made > self.best.made):
                self.cases, self.best, self.done = other.cases, other.best, True
                return
            for each, calls in zip(self.wholes, before, strict=True):
                if calls:
                    each.number(self.site, calls)

    def asked(self) -> LearnedSite | None:
        """What stands in the holes of its requests, as a site; ``None``: there are no such."""
        if not self.enough or self.best is None or self.best.made == len(self.cases):
            return None
        fitting = [found for found in self._tried if self._fits(found)]
        if not fitting:
            return None
        best = min(fitting, key=lambda found: found.unsaid)
        return values_site(self.site, tuple(map(self._borne_out, best.classes)))

    def _fits(self, found: _Found) -> bool:
        """Whether all requests are as the programs say, whatever stands in their holes."""
        return any(each.holes for each in found.classes) and all(
            fits(each.program, case, each.selector)
            for each in found.classes
            for case in self.cases
            if each.inputs >= SETTLED and case.within(each.selector)
        )

    def _borne_out(self, each: LearnedClass) -> LearnedClass:
        part = [case for case in self.cases if case.within(each.selector)]
        program = each.program
        if each.inputs >= SETTLED:
            program = witnessed(program, part, each.selector)
        return replace(each, program=program)

    def go_on(self) -> None:
        """There are more values of helpers: what is not made yet may be made of them."""
        if self.best is None or self.best.made < len(self.cases):
            self._stages = iter([(False, True), (True, True)])
            # What can be made without them is known earlier: it comes first.
            self._sure = () if self.best is None else self.best.predicting
            self.done = False

    def learned(self) -> LearnedSite:
        """The site as a component of the template."""
        site, kind, best = self.site, self.kind, self.best
        if kind is Kind.HELPER:
            return LearnedSite(site, kind, (), AtLeast(0), Status.HELPER)
        if not self.enough or best is None or (not best.made and not self.done):
            reason = "the deadline had passed" if self.enough else _too_seldom(self.inputs)
            classes = best.classes if best is not None else ()
            return LearnedSite(site, kind, classes, AtLeast(0), Status.UNSETTLED, reason)
        count = count_of(site, best.classes, self.wholes)
        if best.made == len(self.cases):
            return LearnedSite(site, kind, best.classes, count, Status.LEARNED)
        reason = next(c.holes[0].reason for c in best.classes if c.holes)
        status = Status.PARTLY if best.made else Status.HOLE
        return LearnedSite(site, kind, best.classes, count, status, reason)


def _too_seldom(inputs: int) -> str:
    return f"seen with {inputs} distinct inputs, {SETTLED} are needed"


def _inputs(cases: Sequence[Case]) -> int:
    return len({case.whole.inputs for case in cases})


def _stages(wholes: Sequence[Whole]) -> Iterator[tuple[bool, bool]]:
    """(rich, helpers): with which values to try, the surest first."""
    for helpers in (False, True) if any(each.helpers for each in wholes) else (False,):
        yield False, helpers
        yield True, helpers


def _tries(
    cases: Sequence[Case], rich: bool, helpers: bool, deadline: Callable[[], bool]
) -> Iterator[_Found]:
    """Ways to see the visits, the simplest first: all, first and rest, each for itself."""
    most = max(case.visit for case in cases) + 1
    ways = [[Selector() if most > 1 else Selector(0, 0)]]
    if most > 1:
        ways.append([Selector(0, 0), Selector(1)])
        if most <= _MOST_UNROLLED:
            ways.append([Selector(visit, visit) for visit in range(most)])
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
        part = [case for case in cases if case.within(selector)]
        inputs = _inputs(part)
        if inputs < SETTLED:
            program = Program((Hole(_too_seldom(inputs)),))
            classes.append(LearnedClass(selector, program, len(part), inputs))
            continue
        program, accepted = Attempt(part, selector, rich, helpers, deadline).program()
        if accepted:
            program = witnessed(program, part, selector)
            made += len(part)
        classes.append(LearnedClass(selector, program, len(part), inputs))
    return _Found(tuple(classes), made)


def _without_contradicted(template: Template, traces: Sequence[Trace]) -> Template:
    """The template without sites that predict false calls in the traces themselves."""
    while wrong := {site for trace in traces for site, _ in replay(template, trace).false}:
        template = template.without(wrong, "it predicts calls that its own traces do not have")
    return template

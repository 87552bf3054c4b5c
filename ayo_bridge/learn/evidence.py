"""The requests of one site in some traces, as what a program has to explain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ayo_bridge.learn.cover import Source, Sources, Token
from ayo_bridge.learn.known import Known, Missing, Waiting
from ayo_bridge.learn.learned_site import Selector
from ayo_bridge.learn.positions import Where, totals
from ayo_bridge.learn.program import EVERY, Index, Place, Program, Term
from ayo_bridge.learn.render import render
from ayo_bridge.learn.trace import Kind, Trace, TracedCall
from ayo_bridge.learn.values import Path
from ayo_bridge.learn.visits import visits_of

_NEAR = 2
"""How far from the visit, the item or the end a position may be said relative to them."""


@dataclass(slots=True)
class Whole:
    """All that one trace shows, with the moment at which each of it was known."""

    inputs: frozenset[tuple[str, str]]
    known: Known
    moments: dict[Waiting, int]
    visits: dict[str, list[TracedCall]]
    """The calls of each site in the order of their branches, not of their ends."""
    helpers: frozenset[str]
    requests: list[tuple[int, str]]
    single: frozenset[str] = frozenset()
    """The sites that no trace visits twice: their visit is the first, relative to nothing."""
    bounds: frozenset[Place] = frozenset()
    """Lists whose end is where a site goes on with another one."""
    version: int = 0
    """Grows when visits are numbered anew."""
    _sources: dict[bool, Sources] = field(default_factory=dict)
    _nests: dict[int, list[Place]] | None = None

    def sources(self, rich: bool) -> Sources:
        """The values by their text; ``rich``: in all forms."""
        if rich not in self._sources:
            self._sources[rich] = Sources(
                self.known, self.moments, self.helpers, self.requests, rich
            )
        return self._sources[rich]

    def nests(self, members: int) -> list[Place]:
        """The lists of lists (at ``EVERY``) in one result that have so many members in all."""
        if self._nests is None:
            self._nests = defaultdict(list)
            for place, total in totals(self.known).items():
                self._nests[total].append(place)
        return self._nests.get(members, [])

    def number(self, site: str, calls: list[TracedCall]) -> None:
        """See the calls of a site in another order."""
        self.visits[site] = calls
        for visit, call in enumerate(calls):
            self.known.result(site, visit, call.result)
            self.moments[site, visit] = call.ended
        self._sources.clear()
        self._nests = None
        self.version += 1

    def add_helper(self, site: str, calls: list[TracedCall], *, single: bool) -> None:
        """Have one more site of values; ``single``: no trace visits it twice."""
        self.helpers |= {site}
        if single:
            self.single |= {site}
        self.number(site, calls)
        self.known.ended(site)


def wholes_of(traces: Sequence[Trace]) -> list[Whole]:
    """Traces of one callable, seen together."""
    wholes = [whole(trace) for trace in traces]
    sites = {site for each in wholes for site in each.visits}
    single = {site for site in sites if all(len(w.visits.get(site, ())) < 2 for w in wholes)}
    for each in wholes:
        each.single = frozenset(single)
        for site in sites:
            each.known.ended(site)  # Those that it did not visit have no visits.
    return wholes


def whole(trace: Trace) -> Whole:
    """A trace, its visits numbered and its values known."""
    known, visits = Known(), visits_of(trace)
    moments: dict[Waiting, int] = {}
    for name, text in trace.inputs.items():
        known.input(name, text)
    out = Whole(
        frozenset(trace.inputs.items()),
        known,
        moments,
        visits,
        frozenset(call.site for call in trace.calls if call.kind is Kind.HELPER),
        sorted((call.began, call.request) for call in trace.calls),
    )
    for site, calls in visits.items():
        out.number(site, calls)
        known.ended(site)
    return out


@dataclass(slots=True, eq=False)
class Case:
    """One request to explain."""

    whole: Whole
    site: str
    visit: int
    request: str
    began: int
    _covers: dict[tuple[bool, bool, int], tuple[Token, ...]] = field(default_factory=dict)

    def where(self, selector: Selector) -> Where:
        """Where the program of the class runs that it belongs to."""
        where = selector.where(self.visit, self.whole.known)
        assert where is not None, "it belongs to another class"
        return where

    def within(self, selector: Selector) -> bool:
        """Whether it belongs to a class."""
        try:
            return selector.where(self.visit, self.whole.known) is not None
        except Missing:
            return False

    def cover(self, rich: bool, helpers: bool) -> tuple[Token, ...]:
        """The request as values and the text between them."""
        if (key := (rich, helpers, self.whole.version)) not in self._covers:
            self._covers[key] = self.whole.sources(rich).cover(
                self.request, self.began, self.site, self.visit, helpers
            )
        return self._covers[key]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A case as it is looked at in one attempt: relative to what, and with which values."""

    case: Case
    where: Where
    rich: bool
    helpers: bool

    def sources(self, text: str) -> tuple[Source, ...]:
        """Where a text, as it stands in the request, could come from."""
        case = self.case
        return case.whole.sources(self.rich).of(
            text, case.began, case.site, case.visit, self.helpers
        )

    def terms(self, sources: tuple[Source, ...]) -> frozenset[Term]:
        """All ways to say where a text comes from."""
        return frozenset(
            Term(place, source.form) for source in sources for place in self.places(source.path)
        )

    def places(self, path: Path, every: int | None = None) -> list[Place]:
        """All ways to say a path: positions as they are, or relative; ``every`` stays open."""
        out: list[Place] = [()]
        for at, step in enumerate(path):
            ways: list[str | int | Index] = [step]
            if at == every:
                ways = [EVERY]
            elif isinstance(step, int):
                ways += self._relative(path[:at], step)
            out = [(*place, way) for place in out for way in ways]
        return out

    def _relative(self, head: Path, step: int) -> Iterator[Index]:
        where = self.where
        if len(head) == 2 and head[1] in self.case.whole.single and head[0] == "at":
            return
        if where.visit is not None and abs(step - where.visit) <= _NEAR:
            yield Index("visit", step - where.visit)
        if where.rest is not None and abs(step - where.rest) <= _NEAR:
            yield Index("rest", step - where.rest)
        if step == where.outer:
            yield Index("outer")
        if step == where.inner:
            yield Index("inner")
        if where.item is not None and abs(step - where.item) <= _NEAR:
            yield Index("item", step - where.item)
        if where.next is not None and abs(step - where.next) <= _NEAR:
            yield Index("next", step - where.next)
        # How often the site itself is visited is not known while it is.
        if head != ("at", self.case.site):
            left = self.length(head) - step
            if left <= _NEAR:
                yield Index("end", -left)

    def length(self, head: Path) -> int:
        """Members of a list, over the whole trace."""
        try:
            return self.case.whole.known.length(head)
        except Missing:
            return 0


def makes(program: Program, case: Case, where: Where) -> bool:
    """Whether a program makes exactly the request, of nothing that was not known before it."""
    used: set[Waiting] = set()
    try:
        text = render(program, where, case.whole.known, used)
    except Missing:
        return False
    return text == case.request and all(
        case.whole.moments.get(each, 1 << 60) < case.began for each in used
    )

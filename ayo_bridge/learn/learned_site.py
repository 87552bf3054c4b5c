"""What was learned of a site: its programs, how often it is visited, and what that rests on."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ayo_bridge.learn.known import BEGUN, ENDED, Known, Missing
from ayo_bridge.learn.positions import Where, nested_at, resolve, sizes_of
from ayo_bridge.learn.program import Hole, Place, Program, sites_of, storable
from ayo_bridge.learn.trace import Kind

SETTLED = 3
"""Distinct inputs with which a program must have been seen before it predicts."""


class Status(enum.StrEnum):
    """Whether a site's requests are predicted, and if not why."""

    LEARNED = "learned"
    """All classes have a program."""
    PARTLY = "partly"
    """Some classes have a program; the others have a hole or were seen too seldom."""
    HOLE = "hole"
    """Something in every request comes from nothing known."""
    UNSETTLED = "unsettled"
    """Seen with too few distinct inputs, or not looked at before the deadline."""
    CONTRADICTED = "contradicted"
    """It would have predicted false calls in the very traces that it was learned from."""
    LATE = "late"
    """Its requests are known no earlier than the original makes them."""
    HELPER = "helper"
    """A helper: its results are values, it has no requests."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always ``visits`` visits."""

    visits: int


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Never fewer than ``visits`` visits."""

    visits: int


@dataclass(frozen=True, slots=True)
class Length:
    """One visit a member of a list, ``offset`` more; ``("at", site)``: a visit of that site."""

    place: Place
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Chunks:
    """One visit for each ``size`` members of a list, or part of them."""

    place: Place
    size: int


@dataclass(frozen=True, slots=True)
class Both:
    """One visit a member of a list, and then one a member of another."""

    first: Place
    then: Place


@dataclass(frozen=True, slots=True)
class Nested:
    """One visit a member of the lists in a list (at ``EVERY``)."""

    place: Place


@dataclass(frozen=True, slots=True)
class After:
    """As ``count`` says once ``site`` has been asked, else none.

    ``site`` may be the one that is counted: its first call tells that there will be more.
    """

    site: str
    count: Fixed | Length | Chunks = Fixed(1)


Count = Fixed | AtLeast | Length | Chunks | Both | Nested | After


def count_here(count: Count, known: Known) -> int | None:
    """How many visits there are in this call; ``None`` if the expression does not say.

    Raises:
        Missing: what it depends on is not known yet.
    """
    match count:
        case Fixed(visits):
            return visits
        case AtLeast():
            return None
        case Length(place, offset):
            return max(0, known.length(resolve(place, Where(), known)) + offset)
        case Chunks(place, size):
            return -(-known.length(resolve(place, Where(), known)) // size)
        case Both(first, then):
            return sum(known.length(resolve(each, Where(), known)) for each in (first, then))
        case Nested(place):
            return sum(sizes_of(place, known))
        case After(site, inner):
            if known.counts.get(site) == 0:
                return 0
            if site not in known.begun:
                raise Missing((site, BEGUN), (site, ENDED))
            return count_here(inner, known)


def least_here(count: Count, known: Known) -> int:
    """How many visits there are at least, where it is not known yet how many in all."""
    visits = 0
    try:
        match count:
            case Length(_, offset):  # So many there are however short the list is.
                visits = max(0, offset)
            case Both(first):
                visits = known.length(resolve(first, Where(), known))
            case Nested(place):
                for size in sizes_of(place, known):
                    visits += size
            case _:
                pass
    except Missing:
        pass
    return visits


@dataclass(frozen=True, slots=True)
class Selector:
    """The visits from ``first`` to ``last``, both included; ``None``: all that follow.

    Of these only the visits for the members of the list ``before``, or those that come ``after``;
    or one for each member of the lists ``nested`` in a list (one ``EVERY``).
    """

    first: int = 0
    last: int | None = None
    before: Place = ()
    after: Place = ()
    nested: Place = ()

    def holds(self, visit: int) -> bool:
        """Whether a visit is among them, as far as its number alone says."""
        return self.first <= visit and (self.last is None or visit <= self.last)

    def where(self, visit: int, known: Known) -> Where | None:
        """Where the program runs at a visit; ``None``: it is not among them.

        Raises:
            Missing: how long a list is, is not known.
        """
        if not self.holds(visit):
            return None
        if self.before and visit >= known.length(resolve(self.before, Where(), known)):
            return None
        if self.after:
            rest = visit - known.length(resolve(self.after, Where(), known))
            return Where(visit, rest) if rest >= 0 else None
        if self.nested:
            found = nested_at(self.nested, visit, known)
            return None if found is None else Where(visit, None, *found)
        return Where(visit if self.relative else None)

    @property
    def lists(self) -> tuple[Place, Place, Place]:
        """The lists that say which visits they are; empty where there is none."""
        return self.before, self.after, self.nested

    @property
    def relative(self) -> bool:
        """Whether there can be several, so that programs may count from the visit."""
        return self.last is None


@dataclass(frozen=True, slots=True)
class LearnedClass:
    """The visits of a site that one program explains.

    ``instances`` requests were seen, in calls with ``inputs`` distinct inputs.
    """

    selector: Selector
    program: Program
    instances: int
    inputs: int

    @property
    def predicts(self) -> bool:
        """Whether the program may make requests."""
        return self.inputs >= SETTLED and not self.program.holes

    @property
    def holes(self) -> tuple[Hole, ...]:
        """What the program cannot say, in words."""
        return self.program.holes

    @property
    def storable(self) -> bool:
        """Whether the program may be kept on disk."""
        return storable(self.program)


@dataclass(frozen=True, slots=True)
class LearnedSite:
    """A component of a learned template."""

    site: str
    kind: Kind
    classes: tuple[LearnedClass, ...]
    count: Count
    status: Status
    reason: str = ""
    """Why it is not (wholly) predicted, in words."""

    def class_of(self, visit: int) -> LearnedClass | None:
        """The class to which a visit belongs, or may belong, if one like it was seen."""
        return next((each for each in self.classes if each.selector.holds(visit)), None)

    def program_of(self, visit: int, known: Known) -> tuple[LearnedClass, Where] | None:
        """The class to which a visit belongs and where it runs its program, if one was seen.

        Raises:
            Missing: that is not known yet.
        """
        for each in self.classes:
            if (where := each.selector.where(visit, known)) is not None:
                return each, where
        return None

    @property
    def predicts(self) -> bool:
        """Whether any of its requests may be predicted."""
        off = (Status.CONTRADICTED, Status.LATE, Status.HELPER)
        return self.status not in off and any(each.predicts for each in self.classes)

    @property
    def depends_on(self) -> frozenset[str]:
        """The sites whose results its requests, or their number, are made of."""
        out = frozenset[str]().union(*(sites_of(each.program) for each in self.classes))
        bounds = (place for each in self.classes for place in each.selector.lists)
        out |= {str(place[1]) for place in bounds if place[:1] == ("at",)}
        match self.count:
            case Length(place) | Chunks(place) | Nested(place) if place[0] == "at":
                out |= {str(place[1])}
            case Both(first, then):
                out |= {str(place[1]) for place in (first, then) if place[0] == "at"}
            case After(site, count):
                out |= {site}
                if not isinstance(count, Fixed) and count.place[0] == "at":
                    out |= {str(count.place[1])}
            case _:
                pass
        return out - {self.site}

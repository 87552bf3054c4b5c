"""What was learned of a site: its programs, how often it is visited, and what that rests on."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ayo_bridge.learn.count import Count, sites_of_count
from ayo_bridge.learn.known import Known
from ayo_bridge.learn.positions import Where, nested_at, resolve
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
        out |= sites_of_count(self.count)
        return out - {self.site}

"""How often a site is visited: expressions over the values of a call."""

from __future__ import annotations

from dataclasses import dataclass

from ayo_bridge.learn.known import BEGUN, ENDED, Known, Missing, Waiting
from ayo_bridge.learn.positions import Where, resolve, sizes_of, table_key
from ayo_bridge.learn.program import Place
from ayo_bridge.learn.values import Path


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


@dataclass(frozen=True, slots=True)
class Graded:
    """One visit, or none, by how many results of ``site`` say ``word`` at ``place`` below them.

    There is one if as many do as in calls ``visited``, none with as many as in those ``left``;
    between the two nobody knows, nor if a result says none of the ``words`` that were seen.
    """

    site: str
    place: Path
    word: str
    words: tuple[str, ...]
    visited: int
    left: int

    def here(self, known: Known) -> int | None:
        """How many visits there are; ``None``: these verdicts do not tell.

        Raises:
            Missing: too few of them are known.
        """
        number, waits = 0, list[Waiting]()
        for visit in range(known.visits.get(self.site, 0)):
            try:
                said = table_key(known.text(("at", self.site, visit, *self.place)))
            except Missing as missing:
                if not missing.waits:
                    return None
                waits += missing.waits
                continue
            if said not in self.words:
                return None
            number += said == self.word
        if self.visited > self.left and number >= self.visited:
            return 1
        ended = known.counts.get(self.site)
        if waits or ended is None or known.visits.get(self.site, 0) < ended:
            raise Missing(*waits, (self.site, known.visits.get(self.site, 0)), (self.site, ENDED))
        if self.visited < self.left:
            return 1 if number <= self.visited else 0 if number >= self.left else None
        return 0 if number <= self.left else None


Count = Fixed | AtLeast | Length | Chunks | Both | Nested | Graded | After


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
        case Graded():
            return count.here(known)
        case Nested(place):
            return sum(sizes_of(place, known))
        case After(site, inner):
            if known.counts.get(site) == 0:
                return 0
            if site not in known.begun:
                raise Missing((site, BEGUN), (site, ENDED))
            return count_here(inner, known)


def least_here(count: Count, known: Known) -> int:
    """How many visits there are at least, while what says how many is not known yet.

    So many as members of the list are certain: it may still be being written.
    """
    match count:
        case Length(place, offset):
            return max(0, _least(place, known) + offset)
        case Chunks(place, size):
            return _least(place, known) // size
        case Both(first):
            return _least(first, known)
        case Nested(place):
            return _least_nested(place, known)
        case After(site, inner) if site in known.begun:
            return least_here(inner, known)
        case _:
            return 0


def _least(place: Place, known: Known) -> int:
    try:
        return known.least(resolve(place, Where(), known))
    except Missing:
        return 0


def _least_nested(place: Place, known: Known) -> int:
    visits = 0
    try:
        for size in sizes_of(place, known):
            visits += size
    except Missing:
        pass  # The lists after this one are not known yet.
    return visits


def sites_of_count(count: Count) -> frozenset[str]:
    """The sites by whose results or visits the number is told."""
    match count:
        case Length(place) | Chunks(place) | Nested(place):
            places = [place]
        case Both(first, then):
            places = [first, then]
        case Graded(site):
            return frozenset({site})
        case After(site, inner):
            return sites_of_count(inner) | {site}
        case _:
            places = []
    return frozenset(str(place[1]) for place in places if place[0] == "at")


def certain(count: Count) -> int:
    """How many visits there are at least, whatever the values say that tell how many."""
    return count.offset if isinstance(count, Length) else 0


def results_of_count(count: Count, known: Known) -> frozenset[Waiting]:
    """The results that told the number, where it is their values that did."""
    match count:
        case Graded(site):
            return frozenset((site, visit) for visit in range(known.visits.get(site, 0)))
        case Length(place) if place[0] == "at" and len(place) > 3 and isinstance(place[2], int):
            return frozenset({(str(place[1]), place[2])})
    return frozenset()

"""Sites that go through one list and then through another: where the first list ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ayo_bridge.learn.evidence import Case, Whole
from ayo_bridge.learn.known import Missing
from ayo_bridge.learn.learned_site import SETTLED, LearnedClass
from ayo_bridge.learn.program import Index, Place
from ayo_bridge.learn.render import Where, resolve

_MOST_BOUNDS: Final = 3


def bounds_of(classes: Sequence[LearnedClass], cases: Sequence[Case]) -> Iterator[Place]:
    """The lists that the first visits go through and that end before the last visits.

    Of lists that are always as long as each other the first is tried, the shortest place.
    """
    wholes = list({id(case.whole): case.whole for case in cases}.values())
    site = cases[0].site
    visits = [len(whole.visits[site]) for whole in wholes]
    if max(visits) < 2:
        return
    found = {place for each in classes for place in _lists(each, site)}
    seen: set[tuple[int, ...]] = set()
    for place in sorted(found, key=lambda place: (len(place), repr(place))):
        lengths = tuple(length_of(place, whole) for whole in wholes)
        ends = [0 < length < count for length, count in zip(lengths, visits, strict=True)]
        if sum(ends) < SETTLED or not all(length > 0 for length in lengths) or lengths in seen:
            continue
        seen.add(lengths)
        yield place
        if len(seen) == _MOST_BOUNDS:
            return


def length_of(place: Place, whole: Whole) -> int:
    """How many members a list has; 0 where there is none."""
    try:
        return whole.known.length(resolve(place, Where(), whole.known))
    except Missing:
        return 0


def _lists(each: LearnedClass, site: str) -> Iterator[Place]:
    """The lists whose first member the first visit takes."""
    if each.selector.first != 0 or each.selector.after:
        return
    for place, _ in each.program.terms():
        for at, step in enumerate(place):
            first = step == Index("visit") or (step == 0 and not each.selector.relative)
            plain = all(not isinstance(other, Index) for other in place[:at])
            if first and plain and place[:at] != ("at", site):
                yield place[:at]

"""Sites that go through one list and then through another, or through lists in a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

from ayo_bridge.learn.evidence import Case, Whole
from ayo_bridge.learn.known import Missing
from ayo_bridge.learn.learned_site import SETTLED, LearnedClass, Selector
from ayo_bridge.learn.positions import Where, resolve, sizes_of
from ayo_bridge.learn.program import EVERY, Index, Place

_MOST_BOUNDS: Final = 3


def ways_in_turn(
    tried: Sequence[LearnedClass], cases: Sequence[Case], helpers: bool
) -> Iterator[list[Selector]]:
    """Ways to see the visits of a site as those of lists in a list, or of one list after another.

    Args:
        tried: classes that were tried, whose programs may say where the first visits begin.
        cases: the requests of the site.
        helpers: with the values of helpers.
    """
    if max(case.visit for case in cases) == 0:
        return
    for nested in nests_of(cases, helpers):
        yield [Selector(nested=nested)]
    for bound in bounds_of(tried, cases):
        yield [Selector(before=bound), Selector(after=bound)]


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


def nests_of(cases: Sequence[Case], helpers: bool) -> Iterator[Place]:
    """The lists of lists (at ``EVERY``) that have as many members in all as there are visits.

    They hold a value of a request each, in all calls.
    """
    by_whole: dict[int, list[Case]] = {}
    for case in cases:
        by_whole.setdefault(id(case.whole), []).append(case)
    common: set[Place] | None = None
    for own in by_whole.values():
        if common is None or common:
            held = set(_nests(own[-1], helpers))
            held = {place for place in held if _total(place, own[0].whole) == len(own)}
            common = held if common is None else common & held
    yield from sorted(common or (), key=lambda place: (len(place), repr(place)))[:_MOST_BOUNDS]


def _nests(case: Case, helpers: bool) -> Iterator[Place]:
    for token in case.cover(rich=False, helpers=helpers):
        for path, _ in token.sources:
            steps = [at for at, step in enumerate(path) if isinstance(step, int)]
            for a, b in combinations(steps, 2):
                if path[:2] != ("at", case.site):
                    yield (*path[:a], EVERY, *path[a + 1 : b])


def _total(place: Place, whole: Whole) -> int:
    try:
        return sum(sizes_of(place, whole.known))
    except Missing:
        return 0


def group_at(place: Place, whole: Whole, visit: int) -> range:
    """Which members belong to the list of a visit, counted through all lists in a list."""
    try:
        sizes = list(sizes_of(place, whole.known))
    except Missing:
        return range(0)
    before = sum(sizes[:visit])
    return range(before, before + sizes[visit]) if visit < len(sizes) else range(0)


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

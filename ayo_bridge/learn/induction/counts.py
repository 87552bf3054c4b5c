"""How often a site is visited: what in the values of the call says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ayo_bridge.learn.count import (
    After,
    AtLeast,
    Both,
    Chunks,
    Count,
    Fixed,
    Graded,
    Length,
    Nested,
    count_here,
)
from ayo_bridge.learn.evidence import Whole
from ayo_bridge.learn.induction.ranking import is_late
from ayo_bridge.learn.induction.segments import length_of
from ayo_bridge.learn.induction.told import told
from ayo_bridge.learn.induction.verdicts import graded
from ayo_bridge.learn.known import Missing
from ayo_bridge.learn.learned_site import LearnedClass
from ayo_bridge.learn.program import EVERY, Index, Join, Place, Program, Span, sites_of


def count_of(site: str, classes: Sequence[LearnedClass], wholes: Sequence[Whole]) -> Count:
    """The best expression that gives the number of visits in every trace."""
    counts = [len(whole.visits.get(site, ())) for whole in wholes]
    helpers = frozenset[str]().union(*(whole.helpers for whole in wholes))
    if max(counts) > 1:
        if nested := next((c.selector.nested for c in classes if c.selector.nested), ()):
            return Nested(nested)
        if (both := _in_turn(classes, wholes, counts)) is not None:
            return both
        options = {
            option
            for option in _lists(classes)
            if option.place[:2] != ("at", site) and _resolvable(option.place)
        }
        ranked = sorted(
            options,
            key=lambda each: (
                *_rank(each.place, helpers),
                repr(each),
            ),
        )
        for option in ranked:
            if all(_says(option, w) == c for w, c in zip(wholes, counts, strict=True)):
                return option
    if len(set(counts)) == 1:
        return Fixed(counts[0])
    if (list_of_helper := told(site, counts, wholes)) is not None:
        return list_of_helper
    if (after := _conditional(site, classes, wholes)) is not None:
        return after
    return (graded(site, wholes) if max(counts) == 1 else None) or AtLeast(min(counts))


def _rank(place: Place, helpers: frozenset[str]) -> tuple[bool, bool, bool, int]:
    """Lists that are known early first: how often a helper is called, is known last."""
    late = is_late(place, helpers)
    return late, late and len(place) == 2, place[0] != "at", len(place)


def _conditional(
    site: str, classes: Sequence[LearnedClass], wholes: Sequence[Whole]
) -> After | None:
    """What says how often a site is visited that some traces do not visit at all.

    Whether it is visited is known when another site has been that its requests are made of, or by
    the first visit itself.
    """
    some = [whole for whole in wholes if whole.visits.get(site)]
    if len(some) == len(wholes):
        return None
    inner = count_of(site, classes, some)
    if isinstance(inner, After | AtLeast | Both | Nested | Graded):
        return None
    helpers = frozenset[str]().union(*(whole.helpers for whole in wholes))
    visited = [bool(whole.visits.get(site)) for whole in wholes]
    used = frozenset[str]().union(*(sites_of(each.program) for each in classes))
    before = {each for each in some[0].visits if all(_is_before(each, site, w) for w in some)}
    for other in (*sorted(used), *sorted(before - used)):
        present = [bool(whole.visits.get(other)) for whole in wholes]
        if other not in helpers and other != site and present == visited:
            return After(other, inner)
    return None if inner == Fixed(1) else After(site, inner)


def _in_turn(
    classes: Sequence[LearnedClass], wholes: Sequence[Whole], counts: Sequence[int]
) -> Length | Both | None:
    """How often a site is visited that goes through one list and then through another."""
    bound = next((each.selector.after for each in classes if each.selector.after), None)
    if bound is None or 0 in counts:
        return None
    rests = [c - length_of(bound, whole) for whole, c in zip(wholes, counts, strict=True)]
    thens = {
        place[:at]
        for each in classes
        for place, _ in each.program.terms()
        for at, step in enumerate(place)
        if each.selector.after and step == Index("rest") and _resolvable(place[:at])
    }
    for then in sorted(thens, key=lambda place: (len(place), repr(place))):
        if rests == [length_of(then, whole) for whole in wholes]:
            return Both(bound, then)
    return Length(bound, rests[0]) if len(set(rests)) == 1 else None


def _is_before(site: str, other: str, whole: Whole) -> bool:
    """Whether a trace comes to a site before it comes to the other one."""
    calls = whole.visits.get(site)
    first = min(call.began for call in whole.visits[other])
    return bool(calls) and min(call.began for call in calls or ()) < first


def _says(option: Length | Chunks, whole: Whole) -> int:
    try:
        return count_here(option, whole.known) or 0
    except Missing:
        return 0


def _resolvable(place: Place) -> bool:
    """Whether the list can be found before any visit is known."""
    return all(not isinstance(step, Index) or step.base == "end" for step in place)


def _lists(classes: Sequence[LearnedClass]) -> Iterator[Length | Chunks]:
    """The lists that the programs go through visit by visit."""
    unrolled = all(each.selector.last is not None for each in classes)
    for each in classes:
        yield from _chunks(each.program)
        for place, _ in each.program.terms():
            for at, step in enumerate(place):
                if isinstance(step, Index) and step.base == "visit":
                    yield Length(place[:at], -step.offset)
                elif unrolled and each.selector.first == 0 and step == 0:
                    yield Length(place[:at])


def _chunks(program: Program) -> Iterator[Length | Chunks]:
    for part in program.parts:
        if not isinstance(part, Join):
            continue
        for expression in part.lists:
            if isinstance(expression, Span) and expression.chunk:
                place = expression.term.place
                yield Chunks(place[: place.index(EVERY)], expression.chunk)
            if isinstance(expression, Span) and expression.groups:
                yield Length(expression.groups[: expression.groups.index(EVERY)])

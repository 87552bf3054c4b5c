"""How often a site is visited: what in the values of the call says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ayo_bridge.learn.evidence import Whole
from ayo_bridge.learn.known import Missing
from ayo_bridge.learn.learned_site import (
    After,
    AtLeast,
    Chunks,
    Count,
    Fixed,
    LearnedClass,
    Length,
    count_here,
)
from ayo_bridge.learn.program import Index, Join, Place, Program, Span, sites_of
from ayo_bridge.learn.ranking import is_late
from ayo_bridge.learn.told import told


def count_of(site: str, classes: Sequence[LearnedClass], wholes: Sequence[Whole]) -> Count:
    """The best expression that gives the number of visits in every trace."""
    counts = [len(whole.visits.get(site, ())) for whole in wholes]
    helpers = frozenset[str]().union(*(whole.helpers for whole in wholes))
    if max(counts) > 1:
        options = {
            option
            for option in _lists(classes)
            if option.place[:2] != ("at", site) and _resolvable(option.place)
        }
        ranked = sorted(
            options,
            key=lambda each: (
                *(is_late(each.place, helpers), each.place[0] != "at", len(each.place)),
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
    if max(counts) == 1:
        for other in sorted(frozenset().union(*(sites_of(each.program) for each in classes))):
            present = [min(1, len(whole.visits.get(other, ()))) for whole in wholes]
            if other not in helpers and other != site and present == counts:
                return After(other)
    return AtLeast(min(counts))


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


def _chunks(program: Program) -> Iterator[Chunks]:
    for part in program.parts:
        if not isinstance(part, Join):
            continue
        for expression in part.lists:
            if isinstance(expression, Span) and expression.chunk:
                place = expression.term.place
                yield Chunks(place[: place.index(Index("every"))], expression.chunk)

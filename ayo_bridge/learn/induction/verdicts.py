"""Branches that are taken by how many answers of a site are the same: grades, judgments, votes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from ayo_bridge.learn.count import Graded
from ayo_bridge.learn.evidence import Whole
from ayo_bridge.learn.learned_site import SETTLED
from ayo_bridge.learn.positions import table_key
from ayo_bridge.learn.values import PART_NAMES, Path

_MOST_WORDS: Final = 4
"""So many different answers are verdicts; more are texts."""


def graded(site: str, wholes: Sequence[Whole]) -> Graded | None:
    """The verdicts of another site that tell in which calls this one is visited.

    Both kinds of calls have to have been seen with three distinct inputs: of fewer, some verdict
    would often tell by chance.
    """
    some = [whole for whole in wholes if whole.visits.get(site)]
    none = [whole for whole in wholes if not whole.visits.get(site)]
    if min(_inputs(some), _inputs(none)) < SETTLED:
        return None
    found: list[Graded] = []
    for other in sorted(some[0].visits.keys() - wholes[0].helpers - {site}):
        if not all(_is_before(other, site, whole) for whole in some):
            continue
        for place in sorted(_leaves(other, wholes), key=repr):
            found += _telling(other, place, _counted(other, place, some, none))
    return min(found, key=_cost) if found else None


def _cost(each: Graded) -> tuple[int, bool, int, str]:
    """Sure ones first, then one or none of a kind: that is how programs ask."""
    return abs(each.visited - each.left), each.visited < each.left, each.visited, repr(each)


def _inputs(wholes: Sequence[Whole]) -> int:
    return len({whole.inputs for whole in wholes})


def _is_before(other: str, site: str, whole: Whole) -> bool:
    """Whether all visits of the other site have ended before this one is first visited."""
    first = min(call.began for call in whole.visits[site])
    calls = whole.visits.get(other)
    return bool(calls) and max(call.ended for call in calls or ()) < first


def _leaves(site: str, wholes: Sequence[Whole]) -> set[Path]:
    """Where all results of a site have a text, below the result; of JSON and tool calls, too."""
    common: set[Path] | None = None
    for whole in wholes:
        for visit in range(len(whole.visits.get(site, ()))):
            parts = (whole.known.part(site, visit, name) for name in ("text", "json", "tools"))
            own = {path for part in parts for path in part.texts}
            common = own if common is None else common & own
    assert {"text", "json", "tools"} <= {*PART_NAMES}
    return common or set()


_Counts = list[Counter[str]]


def _counted(
    site: str, place: Path, some: Sequence[Whole], none: Sequence[Whole]
) -> tuple[_Counts, _Counts]:
    """How often each verdict was given, in calls with the visit and in those without."""

    def of(whole: Whole) -> Counter[str]:
        visits = range(len(whole.visits.get(site, ())))
        return Counter(table_key(whole.known.text(("at", site, v, *place))) for v in visits)

    return [*map(of, some)], [*map(of, none)]


def _telling(site: str, place: Path, counts: tuple[_Counts, _Counts]) -> Iterator[Graded]:
    some, none = counts
    calls = Counter(word for each in (*some, *none) for word in each)
    words = sorted(calls)
    # A word that few have said may be one user's own.
    if not 2 <= len(words) <= _MOST_WORDS or min(calls.values()) < SETTLED:
        return
    for word in words:
        with_it, without = ([each[word] for each in own] for own in counts)
        if min(with_it) > max(without):
            yield Graded(site, place, word, tuple(words), min(with_it), max(without))
        elif max(with_it) < min(without):
            yield Graded(site, place, word, tuple(words), max(with_it), min(without))

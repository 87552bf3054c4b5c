"""How often a site is visited, where a helper tells: who was chosen, what has failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ayo_bridge.learn.count import Length
from ayo_bridge.learn.evidence import Whole
from ayo_bridge.learn.values import Path

_LISTS: Final = ("json", "items")
"""The parts of a result in which lists say how much there is to do."""


def told(site: str, counts: Sequence[int], wholes: Sequence[Whole]) -> Length | None:
    """The list of a helper's that is in every trace as long as the site is visited there.

    Only where counts differ: a list that is always as long says nothing of why.
    """
    if len(set(counts)) < 2:
        return None
    lengths = [_lengths(site, whole) for whole in wholes]
    common = set(lengths[0]).intersection(*lengths[1:])
    found = [
        place
        for place in common
        if all(own[place] == count for own, count in zip(lengths, counts, strict=True))
    ]
    return Length(min(found, key=lambda place: (len(place), repr(place)))) if found else None


def _lengths(site: str, whole: Whole) -> dict[Path, int]:
    """The lengths of helpers' lists that were there before the first visit of the site."""
    began = min((call.began for call in whole.visits.get(site, ())), default=None)
    return {
        ("at", *key, *below): length
        for key, ended in whole.moments.items()
        if key[0] in whole.helpers and (began is None or ended < began)
        for part in _LISTS
        for below, length in whole.known.part(*key, part).lengths.items()
    }

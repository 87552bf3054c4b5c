"""Where a program runs, and what positions relative to that mean: one list, or lists in a list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from ayo_bridge.learn.known import Known, Missing, Waiting
from ayo_bridge.learn.program import EVERY, Index, Place
from ayo_bridge.learn.values import Path

MOST_KEY = 40


def table_key(text: str) -> str:
    """What of a value decides in a table."""
    return text.strip().lower()[:MOST_KEY]


class Where(NamedTuple):
    """Where a program runs: at which visit, and between which members of a join."""

    visit: int | None = None
    rest: int | None = None
    outer: int | None = None
    inner: int | None = None
    item: int | None = None
    next: int | None = None
    position: int | None = None


def resolve(place: Place, where: Where, known: Known, head: Path = ()) -> Path:
    """The path that a place, which goes on from ``head``, means here. It has no ``EVERY``.

    Raises:
        Missing: a length in it is not known, or the list has no such member.
    """
    out: list[str | int] = [*head]
    for step in place:
        if not isinstance(step, Index):
            out.append(step)
            continue
        at: int | None
        match step.base:
            case "visit":
                at = where.visit
            case "rest":
                at = where.rest
            case "outer":
                at = where.outer
            case "inner":
                at = where.inner
            case "item":
                at = where.item
            case "next":
                at = where.next
            case "end":
                at = known.length(tuple(out))
            case "every":
                raise ValueError(f"{place} means more than one value")
        if at is None or at + step.offset < 0:
            raise Missing
        out.append(at + step.offset)
    return tuple(out)


def sizes_of(place: Place, known: Known) -> Iterator[int]:
    """The lengths of the lists in a list (at ``EVERY``), in order.

    Raises:
        Missing: the next one is not known, or whether there is one.
    """
    at = place.index(EVERY)
    head = resolve(place[:at], Where(), known)
    for i in count():
        members: int | None = None
        waits: tuple[Waiting, ...] = ()
        try:
            members = known.length(head)
        except Missing as missing:
            waits = missing.waits
        if members is not None and i >= members:  # An input's list has no member after its last.
            return
        try:
            size = known.length(resolve(place[at + 1 :], Where(), known, (*head, i)))
        except Missing as missing:
            raise Missing(*missing.waits, *waits) from None
        yield size


def nested_at(place: Place, visit: int, known: Known) -> tuple[int, int] | None:
    """Where a member is in a list of lists, counted through all of them; ``None``: nowhere.

    Raises:
        Missing: the lists before it are not all known.
    """
    for outer, size in enumerate(sizes_of(place, known)):
        if visit < size:
            return outer, visit
        visit -= size
    return None


def totals(known: Known) -> dict[Place, int]:
    """How many members lists of lists (at ``EVERY``) in single results have in all."""
    out: dict[Place, int] = defaultdict(int)
    for site, visit in known.results:
        for path, size in known.part(site, visit, "json").lengths.items():
            inner = [at for at, step in enumerate(path) if isinstance(step, int)]
            if len(inner) == 1:
                at = inner[0]
                out["at", site, visit, *path[:at], EVERY, *path[at + 1 :]] += size
    return out

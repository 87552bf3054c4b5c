"""Runs of values over one list, folded into joins."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

from ayo_bridge.learn.cover import Source, Token
from ayo_bridge.learn.evidence import View
from ayo_bridge.learn.induction.segments import group_at, length_of
from ayo_bridge.learn.known import Missing
from ayo_bridge.learn.program import EVERY, Index, Place, Span, Term, Union
from ayo_bridge.learn.render import members
from ayo_bridge.learn.values import Form, Path, encoded

Lists = frozenset[Span | Union]
_MOST_ANCHOR_KEYS = 16


class Run(NamedTuple):
    """Members of a list that follow each other in a request, and what stands between them."""

    text: str
    lists: Lists
    anchors: tuple[Token, ...]
    gaps: tuple[tuple[Token, ...], ...]


Piece = Token | Run


class Key(NamedTuple):
    """A list: the path to its members' index, the path after it, and their form."""

    head: Path
    tail: Path
    form: Form

    def member(self, index: int) -> Source:
        """The list's value at an index."""
        return Source((*self.head, index, *self.tail), self.form)


def keys_of(source: Source) -> list[tuple[Key, int]]:
    """The lists in which a value is, and at which index."""
    path, form = source
    return [
        (Key(path[:at], path[at + 1 :], form), step)
        for at, step in enumerate(path)
        if isinstance(step, int)
    ]


def fold(pieces: tuple[Token, ...], view: View) -> list[Piece]:
    """The request with its runs, the longest first, as one piece each."""
    out: list[Piece] = list(pieces)
    while True:
        run = _longest(out)
        union = _union_run(out)
        if len(union) > len(run) and (lists := _unions([out[at] for at in union], view)):  # type: ignore[misc]
            run = union
        elif len(run) > 1:
            lists = lists_of([out[at] for at in run], view)  # type: ignore[misc]
        else:
            return out
        if not lists:
            return out
        out[run[0] : run[-1] + 1] = [_run(out, run, lists)]


def _run(pieces: list[Piece], run: list[int], lists: Lists) -> Run:
    inside = pieces[run[0] : run[-1] + 1]
    gaps = tuple(
        tuple(piece for piece in pieces[a + 1 : b] if isinstance(piece, Token))
        for a, b in pairwise(run)
    )
    anchors = tuple(piece for at in run if isinstance(piece := pieces[at], Token))
    return Run("".join(piece.text for piece in inside), lists, anchors, gaps)


def _longest(pieces: list[Piece]) -> list[int]:
    """The positions of the longest run: indexes of one list that grow by one."""
    seen: dict[Key, list[tuple[int, int]]] = defaultdict(list)
    for at, piece in enumerate(pieces):
        if isinstance(piece, Token):
            for source in piece.sources:
                for key, index in keys_of(source):
                    seen[key].append((at, index))
    best: list[int] = []
    for places in seen.values():
        if len(places) > max(1, len(best)):
            best = max(best, _growing(places, pieces), key=len)
    return best if len(best) > 1 else []


def _growing(places: list[tuple[int, int]], pieces: list[Piece]) -> list[int]:
    best: list[int] = []
    run: list[int] = []
    last = -1
    by_piece: dict[int, list[int]] = defaultdict(list)
    for at, index in places:
        by_piece[at].append(index)
    for at, indexes in by_piece.items():
        broken = any(isinstance(piece, Run) for piece in pieces[run[-1] + 1 : at]) if run else False
        if run and not broken and last + 1 in indexes:
            run.append(at)
            last += 1
        else:
            run, last = [at], min(indexes)
        # Of words that come again and again (roles) any two follow each other somewhere.
        if len(run) > len(best) and any(len(by_piece[each]) == 1 for each in run):
            best = list(run)
    return best


def _union_run(pieces: list[Piece]) -> list[int]:
    """The positions of the longest run over a list of lists, each text at its first place."""
    seen: dict[tuple[Path, Form], dict[int, tuple[int, int]]] = defaultdict(dict)
    for at, piece in enumerate(pieces):
        if isinstance(piece, Run):
            continue
        for path, form in piece.sources:
            steps = [q for q, step in enumerate(path) if isinstance(step, int)]
            if len(steps) == 2:
                a, b = steps
                key = (*path[:a], "", *path[a + 1 : b], "", *path[b + 1 :]), form
                where = path[a], path[b]
                assert isinstance(where[0], int)
                assert isinstance(where[1], int)
                seen[key][at] = min(seen[key].get(at, (1 << 30, 0)), (where[0], where[1]))
    best: list[int] = []
    for places in seen.values():
        run: list[int] = []
        for at in places:
            if run and places[at] <= places[run[-1]]:
                break
            if run and any(isinstance(piece, Run) for piece in pieces[run[-1] : at]):
                break
            run.append(at)
        if len(run) > len(best) and len({places[at][0] for at in run}) > 1:
            best = run
    return best


def lists_of(anchors: list[Token], view: View) -> Lists:
    """Every expression for a list whose members are these, in their order."""
    out: set[Span | Union] = set()
    rest = [frozenset(anchor.sources) for anchor in anchors[1:]]
    for source in anchors[0].sources[:_MOST_ANCHOR_KEYS]:
        for key, start in keys_of(source):
            if not all(key.member(start + 1 + i) in each for i, each in enumerate(rest)):
                continue
            stop = start + len(anchors)
            path = (*key.head, start, *key.tail)
            bounds = _bounds(key.head, start, stop, view)
            for place in view.places(path, every=len(key.head)):
                term = Term(place, key.form)
                out.update(Span(term, *each) for each in bounds)
    return frozenset(out) | _unions(anchors, view)


def _bounds(
    head: Path, start: int, stop: int, view: View
) -> list[tuple[int, int | Index | None, int, Place, Place]]:
    """Start, stop, chunk, other list and groups of a span, in every way that holds here."""
    visit = view.where.visit
    out: list[tuple[int, int | Index | None, int, Place, Place]] = [(start, stop, 0, (), ())]
    whole = view.case.whole
    out += [(start, None, 0, each, ()) for each in whole.bounds if length_of(each, whole) == stop]
    if visit is not None and len(head) == 2:
        nests = whole.nests(len(whole.visits.get(str(head[1]), ())))
        alike = (each for each in nests if group_at(each, whole, visit) == range(start, stop))
        out += [(0, None, 0, (), each) for each in alike]
    if visit is not None and abs(stop - visit) <= 1:
        out.append((start, Index("visit", stop - visit), 0, (), ()))
    if head == ("at", view.case.site):
        return out
    length = view.length(head)
    if stop == length:
        out.append((start, None, 0, (), ()))
    elif length - 2 <= stop < length:
        out.append((start, stop - length, 0, (), ()))
    if visit == 0 and start == 0:
        out.append((0, None, stop, (), ()))
    elif visit and start and start % visit == 0:
        size = start // visit
        if stop - start == size or (stop == length and stop - start < size):
            out.append((0, None, size, (), ()))
    return out


def _unions(anchors: list[Token], view: View) -> Lists:
    out: set[Span | Union] = set()
    texts = [anchor.text for anchor in anchors]
    for path, form in anchors[0].sources[:_MOST_ANCHOR_KEYS]:
        steps = [q for q, step in enumerate(path) if isinstance(step, int)]
        if len(steps) != 2 or path[:2] == ("at", view.case.site):
            continue
        place = tuple(EVERY if q in steps else step for q, step in enumerate(path))
        try:
            found = members(Union(Term(place, form)), view.where, view.case.whole.known)
        except Missing:
            continue
        if [encoded(text) for _, text, _ in found] == texts:
            out.add(Union(Term(place, form)))
    return frozenset(out)

"""Anti-unification: what the requests of several cases have in common, as one program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ayo_bridge.learn.cover import Token
from ayo_bridge.learn.evidence import View
from ayo_bridge.learn.induction.gaps import explain, glued
from ayo_bridge.learn.induction.joins import Lists, Piece, Run, lists_of
from ayo_bridge.learn.induction.ranking import best_lists, best_terms
from ayo_bridge.learn.induction.segments import group_at
from ayo_bridge.learn.program import Const, Hole, Join, Node, Program, Ref, Span, Term, Union

_MOST_BETWEEN = 12


@dataclass(frozen=True, slots=True, eq=False)
class _Element:
    """The same value in some cases: a reference (``terms``) or a join (``lists``)."""

    terms: frozenset[Term]
    lists: Lists
    pieces: tuple[Piece, ...]


@dataclass(slots=True)
class Row:
    """Elements, and around them the texts (one a case) that are not explained yet."""

    views: list[View]
    elements: list[_Element]
    gaps: list[tuple[str, ...]]


def unify(rows: Sequence[Row], start: int = 0, entire: bool = True) -> Program:
    """The most special program that makes all the requests, with holes where there is none.

    Args:
        rows: the request, or a part of it, of each case.
        start: where in the first request it begins.
        entire: whether to go on after the first hole; else nothing follows it.
    """
    row = rows[0]
    for other in rows[1:]:
        row = _merge(row, other)
    parts: list[Node] = []
    at = start
    for i, gap in enumerate(row.gaps):
        parts += explain(gap, row.views, at)
        at += len(gap[0])
        if i < len(row.elements):
            parts.append(_node(row.elements[i], row.views, at))
            at += len(row.elements[i].pieces[0].text)
        if not entire and any(isinstance(part, Hole) for part in parts):
            break
    return glued(parts)


def row_of(view: View, pieces: Sequence[Piece]) -> Row:
    """The pieces of one request."""
    elements: list[_Element] = []
    gaps = [""]
    for piece in pieces:
        if isinstance(piece, Run):
            elements.append(_Element(frozenset(), piece.lists, (piece,)))
        elif piece.sources and (terms := view.terms(piece.sources)):
            elements.append(_Element(terms, frozenset(), (piece,)))
        else:
            gaps[-1] += piece.text
            continue
        gaps.append("")
    return Row([view], elements, [(gap,) for gap in gaps])


def _meet(a: _Element, b: _Element, row: Row, other: Row) -> _Element | None:
    """The two as one element, if they can come from the same place."""
    pieces = a.pieces + b.pieces
    if a.terms and b.terms:
        return _Element(both, frozenset(), pieces) if (both := a.terms & b.terms) else None
    if a.terms:
        a = _as_join(a, row.views)
    elif b.terms:
        b = _as_join(b, other.views)
    lists = a.lists & b.lists
    return _Element(frozenset(), lists, a.pieces + b.pieces) if lists else None


def _as_join(element: _Element, views: list[View]) -> _Element:
    """A single value as a list of one."""
    runs: list[Piece] = []
    common: Lists | None = None
    for piece, view in zip(element.pieces, views, strict=True):
        assert isinstance(piece, Token)
        lists = lists_of([piece], view)
        common = lists if common is None else common & lists
        if not common:
            return _Element(frozenset(), frozenset(), element.pieces)
        runs.append(Run(piece.text, lists, (piece,), ()))
    return _Element(frozenset(), common or frozenset(), tuple(runs))


def _merge(row: Row, other: Row) -> Row:
    """The row with one more case."""
    out = Row(row.views + other.views, [], [])
    left, right = list(row.gaps[0]), other.gaps[0][0]
    i = j = 0
    for a, b, met in [*_pairs(row, other), (len(row.elements), len(other.elements), None)]:
        for x in range(i, a):
            own = zip(left, row.elements[x].pieces, row.gaps[x + 1], strict=True)
            left = [text + piece.text + gap for text, piece, gap in own]
        for y in range(j, b):
            right += other.elements[y].pieces[0].text + other.gaps[y + 1][0]
        out.gaps.append((*left, right))
        if met is not None:
            out.elements.append(met)
            left, right = list(row.gaps[a + 1]), other.gaps[b + 1][0]
        i, j = a + 1, b + 1
    return out


def _pairs(row: Row, other: Row) -> list[tuple[int, int, _Element | None]]:
    """Which elements are the same: all in order where that works, else the heaviest chain."""
    n, m = len(row.elements), len(other.elements)
    met: dict[tuple[int, int], _Element] = {}
    if n == m:
        for i, (a, b) in enumerate(zip(row.elements, other.elements, strict=True)):
            if (both := _meet(a, b, row, other)) is None:
                break
            met[i, i] = both
        if len(met) == n:
            return [(i, i, met[i, i]) for i in range(n)]
    best = [[0.0] * (m + 1) for _ in range(n + 1)]
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            most = max(best[i + 1][j], best[i][j + 1])
            a, b = row.elements[i], other.elements[j]
            both = met.get((i, j)) or _meet(a, b, row, other)
            if both is not None:
                met[i, j] = both
                weight = 1 + min(len(a.pieces[0].text), 200) / 50
                most = max(most, best[i + 1][j + 1] + weight)
            best[i][j] = most
    out: list[tuple[int, int, _Element | None]] = []
    i = j = 0
    while i < n and j < m:
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            out.append((i, j, met[i, j]))
            i, j = i + 1, j + 1
    return out


def _node(element: _Element, views: list[View], at: int) -> Node:
    helpers = views[0].case.whole.helpers
    if element.terms:
        return Ref(best_terms(element.terms, helpers))
    lists = best_lists(element.lists, helpers)
    between: list[Row] = []
    for piece, view in zip(element.pieces, views, strict=True):
        assert isinstance(piece, Run)
        for position in _spread(len(piece.gaps)):
            first, second = (_index(lists[0], view, position + d) for d in (0, 1))
            where = view.where._replace(item=first, next=second, position=position)
            inner = View(view.case, where, view.rich, view.helpers)
            between.append(row_of(inner, piece.gaps[position]))
    if not between:
        return Join(lists, Program((Const(""),)))
    separator = unify(between[:_MOST_BETWEEN], at)
    if separator.holes:
        return Hole(separator.holes[0].reason)
    return Join(lists, separator)


def _spread(count: int) -> list[int]:
    """Which of the gaps of a run to look at: the first two and the last."""
    return sorted({0, 1, count - 1} & set(range(count)))


def _index(expression: Span | Union, view: View, position: int) -> int:
    """The index of a member of a run in its list."""
    if isinstance(expression, Union):
        return position
    if expression.groups:
        group = group_at(expression.groups, view.case.whole, view.where.visit or 0)
        return group.start + position
    chunks = (view.where.visit or 0) * expression.chunk
    return expression.start + chunks + position

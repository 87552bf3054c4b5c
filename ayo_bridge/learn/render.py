"""Running a program: the request that it makes of what is known, and the results used for it."""

from __future__ import annotations

from itertools import islice

from ayo_bridge.learn.known import Known, Missing, Waiting
from ayo_bridge.learn.positions import Where, resolve, sizes_of, table_key
from ayo_bridge.learn.program import (
    EVERY,
    TURN,
    Const,
    Counter,
    Hole,
    Index,
    Join,
    Place,
    Program,
    Ref,
    Span,
    Table,
    Term,
    Union,
)
from ayo_bridge.learn.values import Path, encoded, shaped


def value(term: Term, where: Where, known: Known) -> tuple[str, Path]:
    """The text that a term means here, and its path.

    Raises:
        Missing: it is not known.
    """
    if term.place == TURN:
        if where.position is None:
            raise Missing
        return str(where.position % 2), TURN  # type: ignore[return-value]
    path = resolve(term.place, where, known)
    return shaped(known.text(path), term.form), path


def members(expression: Span | Union, where: Where, known: Known) -> list[tuple[int, str, Path]]:
    """The members of a list expression: index, text, path.

    Raises:
        Missing: one of them, or their number, is not known.
    """
    if isinstance(expression, Union):
        return _union(expression.term, where, known)
    place, form = expression.term
    at = next(q for q, step in enumerate(place) if isinstance(step, Index) and step[0] == "every")
    head = resolve(place[:at], where, known)
    start, stop = _bounds(expression, where, known, head)
    out = []
    for i in range(start, stop):
        path = resolve(place[at + 1 :], where, known, (*head, i))
        out.append((i, shaped(known.text(path), form), path))
    return out


def _bounds(span: Span, where: Where, known: Known, head: Path) -> tuple[int, int]:
    if span.chunk:
        if where.visit is None:
            raise Missing
        start = where.visit * span.chunk
        stop = start + span.chunk
        if known.least(head) < stop:  # A chunk that is full is whole, however the list goes on.
            stop = min(known.length(head), stop)
        if start >= stop:
            raise Missing
        return start, stop
    if span.groups:
        if where.visit is None:
            raise Missing
        sizes = list(islice(sizes_of(span.groups, known), where.visit + 1))
        if len(sizes) <= where.visit:
            raise Missing
        return sum(sizes[:-1]), sum(sizes)
    if span.upto:
        return span.start, max(span.start, known.length(resolve(span.upto, where, known)))
    if isinstance(span.stop, Index):
        if where.visit is None:
            raise Missing
        return span.start, max(span.start, where.visit + span.stop.offset)
    if span.stop is not None and span.stop >= 0:
        return span.start, span.stop
    stop = known.length(head) + (span.stop or 0)
    if stop < span.start:
        raise Missing
    return span.start, stop


def _union(term: Term, where: Where, known: Known) -> list[tuple[int, str, Path]]:
    place, form = term
    a, b = (q for q, step in enumerate(place) if isinstance(step, Index) and step[0] == "every")
    head = resolve(place[:a], where, known)
    out: list[tuple[int, str, Path]] = []
    seen: set[str] = set()
    for i in range(known.length(head)):
        inner = resolve(place[a + 1 : b], where, known, (*head, i))
        for j in range(known.length(inner)):
            path = resolve(place[b + 1 :], where, known, (*inner, j))
            text = shaped(known.text(path), form)
            if text not in seen:
                seen.add(text)
                out.append((len(out), text, path))
    return out


def render(program: Program, where: Where, known: Known, used: set[Waiting]) -> str:
    """The request. The results that it is made of are added to ``used``.

    Raises:
        Missing: a value is not known (yet), or the program has a hole.
    """
    out = []
    for part in program.parts:
        match part:
            case Const(constant):
                out.append(constant)
            case Ref(terms):
                out.append(encoded(_first(terms, where, known, used)))
            case Counter(base, offset):
                number = {"visit": where.visit, "item": where.item, "position": where.position}
                if (at := number[base]) is None:
                    raise Missing
                out.append(str(at + offset))
            case Table(term, rows):
                key = table_key(_first((term,), where, known, used))
                if (text := next((row.text for row in rows if row.key == key), None)) is None:
                    raise Missing
                out.append(text)
            case Join():
                out.append(_join(part, where, known, used))
            case Hole():
                raise Missing
    return "".join(out)


def render_prefix(program: Program, where: Where, known: Known) -> str:
    """What is known of the request from its beginning: up to a hole, or to a missing value."""
    out = ""
    for part in program.parts:
        try:
            out += render(Program((part,)), where, known, set())
        except Missing:
            break
    return out


def _note(path: Path, known: Known, used: set[Waiting]) -> None:
    if path[0] == "at" and len(path) > 2:
        used.add((path[1], path[2]))  # type: ignore[arg-type]
    elif path[0] == "mean":
        used.update((str(path[1]), visit) for visit in range(known.counts.get(str(path[1]), 0)))


def _first(terms: tuple[Term, ...], where: Where, known: Known, used: set[Waiting]) -> str:
    waits: list[Waiting] = []
    said: str | None = None
    source: Path = ()
    for term in terms:
        try:
            text, path = value(term, where, known)
        except Missing as missing:
            waits += missing.waits
            continue
        if said is None:
            said, source = text, path[1:3]
            _note(path, known, used)
        elif text != said:
            raise Missing  # what was one in all traces is two here: nothing says which is meant
    # An answer that is still being written counts once all that says the same of it is there.
    if said is None or any(key in known.growing and key == source for key in waits):
        raise Missing(*waits)
    return said


def _join(join: Join, where: Where, known: Known, used: set[Waiting]) -> str:
    waits: list[Waiting] = []
    for expression in join.lists:
        try:
            found = members(expression, where, known)
        except Missing as missing:
            waits += missing.waits
            continue
        never_seen = not (found or join.empty) or (len(found) == 1 and not join.single)
        if never_seen or _doubtful(found, expression, join, where, known):
            raise Missing
        out = []
        for position, (index, text, path) in enumerate(found):
            _note(path, known, used)
            out.append(encoded(text))
            if join.tail is not None:
                here = where._replace(item=index, position=position)
                out.append(render(join.tail, here, known, used))
            if position + 1 < len(found):
                here = where._replace(item=index, next=found[position + 1][0], position=position)
                out.append(render(join.separator, here, known, used))
        if isinstance(expression, Span) and expression.upto:
            _note(resolve(expression.upto, where, known), known, used)
        if isinstance(expression, Span) and expression.groups:
            used |= _lists_before(expression.groups, where.visit or 0)
        if not found and expression.term.place[0] == "at":
            _note_list(expression.term.place, where, known, used)
        return "".join(out)
    raise Missing(*waits)


def _doubtful(
    found: list[tuple[int, str, Path]],
    expression: Span | Union,
    join: Join,
    where: Where,
    known: Known,
) -> bool:
    """Whether another view of the same members, the same in all traces, is another one here."""
    for other in join.lists:
        if other is expression or other[1:] != expression[1:]:
            continue
        try:
            if [text for _, text, _ in members(other, where, known)] != [t for _, t, _ in found]:
                return True
        except Missing:
            continue
    return False


def _lists_before(place: Place, visit: int) -> set[Waiting]:
    """The results that say where a group begins and ends."""
    if place[0] != "at":
        return set()
    outers = range(visit + 1) if place[2] == EVERY else [place[2]]
    return {(str(place[1]), outer) for outer in outers if isinstance(outer, int)}


def _note_list(place: Place, where: Where, known: Known, used: set[Waiting]) -> None:
    """An empty list depends on the result that holds it."""
    if len(place) > 3 and isinstance(place[2], Index) and place[2].base == "every":
        return
    _note(resolve(place[:3], where, known), known, used)

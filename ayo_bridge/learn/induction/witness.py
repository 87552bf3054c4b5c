"""What bears an accepted program out: the inputs of its constants, sources that always held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ayo_bridge.learn.cover import WEAK
from ayo_bridge.learn.evidence import Case
from ayo_bridge.learn.induction.gaps import glued
from ayo_bridge.learn.known import Known, Missing
from ayo_bridge.learn.learned_site import Selector
from ayo_bridge.learn.positions import Where, table_key
from ayo_bridge.learn.program import (
    EVERY,
    Const,
    Join,
    Node,
    Program,
    Ref,
    Span,
    Table,
    Term,
    Union,
)
from ayo_bridge.learn.render import members, value
from ayo_bridge.learn.values import encoded

_At = tuple[frozenset[tuple[str, str]], Known, Where]


def witnessed(program: Program, cases: Sequence[Case], selector: Selector) -> Program:
    """The accepted program with the distinct inputs of its constants, and sources that held.

    The best source of each reference makes all the cases; of the others those stay that do too.
    """
    return _program(program, _places(cases, selector))


def with_constants(program: Program, cases: Sequence[Case], selector: Selector) -> Program:
    """The program with plain text for short values that were the same in all the cases.

    A role or a language may stand in a prompt whether or not an input holds the same word.
    """
    places = _places(cases, selector)
    parts: list[Node] = []
    for part in program.parts:
        if isinstance(part, Ref):
            texts = {_text(part.terms[0], at) for at in places}
            text = texts.pop() if len(texts) == 1 else None
            if text is not None and len(text) < WEAK:
                part = Const(encoded(text))
        parts.append(part)
    return glued(parts)


def _places(cases: Sequence[Case], selector: Selector) -> list[_At]:
    return [(case.whole.inputs, case.whole.known, case.where(selector)) for case in cases]


def _program(program: Program, places: Sequence[_At]) -> Program:
    return Program(tuple(_node(part, places) for part in program.parts))


def _distinct(places: Iterable[_At]) -> int:
    return len({inputs for inputs, _, _ in places})


def _node(part: Node, places: Sequence[_At]) -> Node:
    match part:
        case Const():
            return replace(part, inputs=_distinct(places))
        case Table(term, rows):
            keys = [(table_key(value(term, at[2], at[1])[0]), at) for at in places]
            seen = {row.key: _distinct(at for key, at in keys if key == row.key) for row in rows}
            return replace(part, rows=tuple(row._replace(inputs=seen[row.key]) for row in rows))
        case Ref(terms):
            best = [_text(terms[0], at) for at in places]
            held = (term for term in terms[1:] if [_text(term, at) for at in places] == best)
            return replace(part, terms=(terms[0], *held))
        case Join(lists):
            whole = [_texts(lists[0], at) for at in places]
            right = (each for each in lists[1:] if [_texts(each, at) for at in places] == whole)
            part = replace(part, lists=(lists[0], *right))
            members_of = [_members(part, at) for at in places]
            every = [inner for own in members_of for inner in own]
            between = [inner for own in members_of for inner in own[:-1]]
            tail = None if part.tail is None else _program(part.tail, every)
            return replace(
                part,
                separator=_program(part.separator, between),
                tail=tail,
                empty=not all(members_of),
                single=not all(len(own) > 1 for own in members_of if own) or not _of_visits(part),
            )
        case _:
            return part


def _text(term: Term, at: _At) -> str | None:
    try:
        return value(term, at[2], at[1])[0]
    except Missing:
        return None


def _texts(expression: Span | Union, at: _At) -> list[str] | None:
    try:
        return [text for _, text, _ in members(expression, at[2], at[1])]
    except Missing:
        return None


def _of_visits(join: Join) -> bool:
    """Whether what is joined are the results of a site's visits: the program made several."""
    place = join.lists[0].term.place
    return place[0] == "at" and len(place) > 2 and place[2] == EVERY


def _members(join: Join, at: _At) -> list[_At]:
    inputs, known, where = at
    found = members(join.lists[0], where, known)
    nexts = ([index for index, _, _ in found[1:]] + [None])[: len(found)]
    return [
        (inputs, known, where._replace(item=index, next=after, position=position))
        for position, ((index, _, _), after) in enumerate(zip(found, nexts, strict=True))
    ]

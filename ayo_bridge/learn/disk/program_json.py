"""Programs as JSON."""

from __future__ import annotations

from typing import TypeAlias, cast, get_args

from ayo_bridge.learn.program import (
    Base,
    Const,
    Counter,
    Hole,
    Index,
    Join,
    Node,
    Place,
    Program,
    Ref,
    Row,
    Span,
    Table,
    Term,
    Union,
)
from ayo_bridge.learn.values import Form

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def place_to_json(place: Place) -> Json:
    """A place as JSON."""
    return [[step.base, step.offset] if isinstance(step, Index) else step for step in place]


def _term_json(term: Term) -> Json:
    return [place_to_json(term.place), term.form.name, term.form.size]


def _list_json(expression: Span | Union) -> Json:
    if isinstance(expression, Union):
        return ["union", _term_json(expression.term)]
    stop = expression.stop
    return [
        *("span", _term_json(expression.term), expression.start),
        [stop.base, stop.offset] if isinstance(stop, Index) else stop,
        expression.chunk,
        place_to_json(expression.upto),
        place_to_json(expression.groups),
    ]


def to_json(program: Program) -> Json:
    """The program as JSON; :func:`from_json` gives an equal one back."""
    out: list[Json] = []
    for part in program.parts:
        match part:
            case Const(text, inputs):
                out.append(["const", text, inputs])
            case Ref(terms):
                out.append(["ref", [_term_json(term) for term in terms]])
            case Counter(base, offset):
                out.append(["counter", base, offset])
            case Table(term, rows):
                out.append(["table", _term_json(term), [list(row) for row in rows]])
            case Join(lists, separator, tail, empty, single):
                after = None if tail is None else to_json(tail)
                each_list: list[Json] = [_list_json(each) for each in lists]
                out.append(["join", each_list, to_json(separator), after, empty, single])
            case Hole(reason):
                out.append(["hole", reason])
    return out


def _index(value: Json) -> str | int | Index:
    if isinstance(value, list):
        base, offset = value
        if base not in get_args(Base):
            raise ValueError(f"{base!r} is no base of an index")
        return Index(cast(Base, base), int(cast(int, offset)))
    if not isinstance(value, str | int):
        raise ValueError(f"{value!r} is no step of a path")
    return value


def place_from_json(value: Json) -> Place:
    """What :func:`place_to_json` wrote.

    Raises:
        ValueError: it is not the form of a place.
    """
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is no place")
    return tuple(_index(step) for step in value)


def _term(value: Json) -> Term:
    place, name, size = cast(list[Json], value)
    return Term(place_from_json(place), Form(name, cast(int, size)))  # type: ignore[arg-type]


def _list(value: Json) -> Span | Union:
    kind, term, *rest = cast(list[Json], value)
    if kind == "union":
        return Union(_term(term))
    start, stop, chunk, *places = rest
    end = None if stop is None else cast("int | Index", _index(stop))
    upto, groups = map(place_from_json, places)
    return Span(_term(term), cast(int, start), end, cast(int, chunk), upto, groups)


def from_json(value: Json) -> Program:
    """What :func:`to_json` wrote.

    Raises:
        ValueError: it is not the form of a program.
    """
    try:
        return Program(tuple(_node(cast(list[Json], part)) for part in cast(list[Json], value)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"no program: {error}") from error


def _node(value: list[Json]) -> Node:
    match value:
        case ["const", str(text), int(inputs)]:
            return Const(text, inputs)
        case ["ref", list(terms)]:
            return Ref(tuple(_term(term) for term in terms))
        case ["counter", ("visit" | "item" | "position") as base, int(offset)]:
            return Counter(base, offset)
        case ["table", term, list(rows)]:
            return Table(_term(term), tuple(Row(*cast("list[str]", row)) for row in rows))  # type: ignore[arg-type]
        case ["join", list(lists), separator, tail, bool(empty), bool(single)]:
            after = None if tail is None else from_json(tail)
            own = tuple(_list(each) for each in lists)
            return Join(own, from_json(separator), after, empty, single)
        case ["hole", str(reason)]:
            return Hole(reason)
    raise ValueError(f"{value!r} is no part of a program")

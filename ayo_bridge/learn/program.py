"""Programs: how one request is made of values known before it, and their form on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, cast

from ayo_bridge.learn.values import PLAIN, Form

Base = Literal["visit", "item", "next", "end", "every"]
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class Index(NamedTuple):
    """A position in a list that depends on where it is used: ``base`` plus ``offset``.

    ``end`` counts from the length of the list (offset -1 is the last); ``every`` is all of a join.
    """

    base: Base
    offset: int = 0


EVERY = Index("every")
Place = tuple[str | int | Index, ...]
"""A path with relative positions in it."""


class Term(NamedTuple):
    """One way to say where a value comes from."""

    place: Place
    form: Form = PLAIN


class Span(NamedTuple):
    """A part of a list: the members at ``term``'s one ``EVERY``, from ``start`` to before ``stop``.

    ``stop`` counts from the end where it is negative and is the end where it is ``None``. With
    ``chunk``, visit ``k`` has the members from ``k * chunk`` on, at most ``chunk`` of them.
    """

    term: Term
    start: int = 0
    stop: int | Index | None = None
    chunk: int = 0


class Union(NamedTuple):
    """The members of a list of lists (two ``EVERY``), in order, each text once."""

    term: Term


@dataclass(frozen=True, slots=True)
class Const:
    """Text that never varied; ``inputs`` says with how many distinct inputs it was seen."""

    text: str
    inputs: int = 0


@dataclass(frozen=True, slots=True)
class Ref:
    """A value. All ``terms`` held in every trace; those known now must agree, or it is missing."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Counter:
    """A running number: the visit, the item, or the position in a join, plus ``offset``."""

    base: Literal["visit", "item", "position"]
    offset: int = 0


class Row(NamedTuple):
    """An entry of a table, and with how many distinct inputs it was seen."""

    key: str
    text: str
    inputs: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A text that follows from a small value; other values of ``term`` were never seen."""

    term: Term
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """The members of a list, the first of ``lists`` that is known, with a program between them.

    Between two members, ``item`` is the index of the one before and ``next`` of the one after.
    ``tail`` follows every member, the last one too: ``item`` is its index.
    """

    lists: tuple[Span | Union, ...]
    separator: Program
    tail: Program | None = None


@dataclass(frozen=True, slots=True)
class Hole:
    """Text that comes from nothing known; ``reason`` says so in words."""

    reason: str


Node = Const | Ref | Counter | Table | Join | Hole


@dataclass(frozen=True, slots=True)
class Program:
    """Parts that are put together, in order, to a request (or a part of one)."""

    parts: tuple[Node, ...]

    @property
    def holes(self) -> tuple[Hole, ...]:
        """What it cannot say; a program with holes makes no request."""
        return tuple(part for part in self.parts if isinstance(part, Hole))

    @property
    def prefix(self) -> Program:
        """What comes before the first hole."""
        holes = [at for at, part in enumerate(self.parts) if isinstance(part, Hole)]
        return Program(self.parts[: holes[0]]) if holes else self

    @property
    def tables(self) -> bool:
        """Whether a table is among the parts, joins' separators included."""
        return any(
            isinstance(part, Table)
            or (isinstance(part, Join) and (part.separator.tables or (part.tail or NOTHING).tables))
            for part in self.parts
        )

    def terms(self) -> tuple[Term, ...]:
        """All places that it may look at."""
        out: list[Term] = []
        for part in self.parts:
            match part:
                case Ref(terms):
                    out += terms
                case Table(term):
                    out.append(term)
                case Join(lists, separator, tail):
                    out += [expression.term for expression in lists]
                    out += separator.terms() + (tail.terms() if tail else ())
                case Const() | Counter() | Hole():
                    pass
        return tuple(out)


NOTHING = Program(())


def sites_of(program: Program) -> frozenset[str]:
    """The sites whose results the program may use."""
    return frozenset(
        str(place[1]) for place, _ in program.terms() if place[0] in ("at", "mean") and place[1]
    )


LEAST_INPUTS = 3
MOST_TABLE_TEXT = 60


def storable(program: Program) -> bool:
    """Whether the program may be kept on disk: none of its texts can be one user's own.

    Each constant and table entry was seen with three distinct inputs, and no table text has more
    than 60 characters.
    """
    for part in program.parts:
        match part:
            case Const(text, inputs):
                kept = inputs >= LEAST_INPUTS or not any(c.isalnum() for c in text)
            case Table(_, rows):
                kept = all(
                    row.inputs >= LEAST_INPUTS and len(row.text) <= MOST_TABLE_TEXT for row in rows
                )
            case Join(_, separator, tail):
                kept = storable(separator) and storable(tail or NOTHING)
            case Ref() | Counter() | Hole():
                kept = True
        if not kept:
            return False
    return True


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
            case Join(lists, separator, tail):
                after = None if tail is None else to_json(tail)
                each_list: list[Json] = [_list_json(each) for each in lists]
                out.append(["join", each_list, to_json(separator), after])
            case Hole(reason):
                out.append(["hole", reason])
    return out


def _index(value: Json) -> str | int | Index:
    if isinstance(value, list):
        base, offset = value
        if base not in ("visit", "item", "next", "end", "every"):
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
    start, stop, chunk = rest
    end = None if stop is None else cast("int | Index", _index(stop))
    return Span(_term(term), cast(int, start), end, cast(int, chunk))


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
        case ["join", list(lists), separator, tail]:
            after = None if tail is None else from_json(tail)
            return Join(tuple(_list(each) for each in lists), from_json(separator), after)
        case ["hole", str(reason)]:
            return Hole(reason)
    raise ValueError(f"{value!r} is no part of a program")

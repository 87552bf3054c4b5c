"""Programs: how one request is made of values known before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from ayo_bridge.learn.values import PLAIN, Form

Base = Literal["visit", "rest", "outer", "inner", "item", "next", "end", "every"]


class Index(NamedTuple):
    """A position in a list that depends on where it is used: ``base`` plus ``offset``.

    ``rest`` is the visit counted from where another list has ended that the site went through;
    ``outer`` and ``inner`` are where the visit is in the list of lists that it goes through.
    ``end`` counts from the length of the list (offset -1 is the last); ``every`` is all of a join.
    """

    base: Base
    offset: int = 0


EVERY = Index("every")
Place = tuple[str | int | Index, ...]
"""A path with relative positions in it."""


TURN: Place = ("turn", "position")
"""In place of a path: 0 and 1 in turns, by the position in a join."""


class Term(NamedTuple):
    """One way to say where a value comes from."""

    place: Place
    form: Form = PLAIN


class Span(NamedTuple):
    """A part of a list: the members at ``term``'s one ``EVERY``, from ``start`` to before ``stop``.

    ``stop`` counts from the end where it is negative and is the end where it is ``None``. With
    ``chunk``, visit ``k`` has the members from ``k * chunk`` on, at most ``chunk`` of them; with
    ``upto``, there are as many as another list has, and with ``groups`` visit ``k`` has as many as
    the ``k``-th of a list of lists (one ``EVERY``), from where those before it end.
    """

    term: Term
    start: int = 0
    stop: int | Index | None = None
    chunk: int = 0
    upto: Place = ()
    groups: Place = ()


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
    ``tail`` follows every member, the last one too: ``item`` is its index. ``empty`` says whether
    the list may have no members, ``single`` whether one over visits may have a single one: where
    that was never seen, something else may be done.
    """

    lists: tuple[Span | Union, ...]
    separator: Program
    tail: Program | None = None
    empty: bool = True
    single: bool = True


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
                    spans = [each for each in lists if isinstance(each, Span)]
                    bounds = [place for each in spans for place in (each.upto, each.groups)]
                    out += [Term(place) for place in bounds if place]
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

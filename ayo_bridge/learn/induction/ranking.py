"""Which of several ways to say the same is best: the one that is known early and says most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from ayo_bridge.learn.program import Index, Join, Place, Program, Ref, Span, Term, Union

_MOST_TERMS = 4
_MOST_CANDIDATES = 200
_WHOLE = frozenset({"text", "vectors"})


def is_late(place: Place, helpers: frozenset[str]) -> bool:
    """Whether the value is a helper's: known only when the original computes it."""
    return place[1] in helpers


def _term_cost(term: Term, helpers: frozenset[str]) -> tuple[object, ...]:
    place, form = term
    whole = 0 if place[0] == "in" else 1 if place[3:4] and place[3] in _WHOLE else 2
    indexes = sum(
        1 if isinstance(step, int) else 2 if isinstance(step, Index) and step.base == "end" else 0
        for step in place
    )
    # A visit that follows the item of a join: right for a list of answers, else a coincidence.
    indexes += any(isinstance(step, Index) and step.base in ("item", "next") for step in place[2:3])
    late = is_late(place, helpers)
    return late, whole, form.name != "plain", len(place), indexes, repr(term)


def best_terms(terms: Iterable[Term], helpers: frozenset[str]) -> tuple[Term, ...]:
    """The best first: inputs, whole texts, and positions that follow a visit."""
    return tuple(sorted(terms, key=lambda term: _term_cost(term, helpers))[:_MOST_CANDIDATES])


def _members(term: Term) -> list[Place]:
    """The members of lists that the value belongs to."""
    place = term.place
    return [
        place[: at + 1] for at, step in enumerate(place) if at > 2 and not isinstance(step, str)
    ]


def coherent(program: Program, helpers: frozenset[str]) -> Program:
    """The few best terms of each reference: those first that belong to what others refer to.

    A short value (a page number) may by chance be equal in two found nodes. The text beside it
    says which of the two is meant.
    """
    shared = Counter(
        member
        for part in program.parts
        if isinstance(part, Ref)
        for member in {member for term in part.terms for member in _members(term)}
    )

    def seen(term: Term) -> int:
        return max((shared[member] for member in _members(term)), default=0)

    def ordered(terms: tuple[Term, ...]) -> tuple[Term, ...]:
        if not any(seen(term) > 1 for term in terms):
            return terms[:_MOST_TERMS]

        def alone(term: Term) -> tuple[bool, bool]:
            return is_late(term.place, helpers), seen(term) == 1

        best = sorted(terms, key=alone)[:_MOST_TERMS]
        # Of a value whose member is known, what is equal elsewhere is so by chance.
        known = [term for term in best if seen(term) > 1]
        return tuple(known if seen(best[0]) > 1 else best)

    return Program(
        tuple(
            replace(part, terms=ordered(part.terms))
            if isinstance(part, Ref)
            else replace(part, separator=coherent(part.separator, helpers))
            if isinstance(part, Join)
            else part
            for part in program.parts
        )
    )


def best_lists(lists: Iterable[Span | Union], helpers: frozenset[str]) -> tuple[Span | Union, ...]:
    """The best few, the best one first: whole lists, then parts that follow the visit."""

    def cost(expression: Span | Union) -> tuple[object, ...]:
        term = expression.term
        late = is_late(term.place, helpers)
        if isinstance(expression, Union):
            return late, 2, *_term_cost(term, helpers)
        stop = expression.stop
        whole = stop is None or isinstance(stop, Index)
        part = expression.chunk > 0, bool(expression.upto or expression.groups)
        return late, 0 if whole else 1, *part, *_term_cost(term, helpers)

    return tuple(sorted(lists, key=lambda each: (*cost(each)[:-1], repr(each)))[:_MOST_TERMS])


def _best_join(join: Join) -> Join:
    tail = None if join.tail is None else best_alone(join.tail)
    return replace(join, lists=join.lists[:1], separator=best_alone(join.separator), tail=tail)


def best_alone(program: Program) -> Program:
    """The program with the best of its sources only: nothing stands in where that is missing."""
    return Program(
        tuple(
            replace(part, terms=part.terms[:1])
            if isinstance(part, Ref)
            else _best_join(part)
            if isinstance(part, Join)
            else part
            for part in program.parts
        )
    )

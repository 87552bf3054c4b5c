"""Programs are values: equal, hashable, the same after a round trip through JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ayo_bridge.learn.disk.program_json import from_json, to_json
from ayo_bridge.learn.known import Known, Missing
from ayo_bridge.learn.positions import Where
from ayo_bridge.learn.program import (
    EVERY,
    Const,
    Counter,
    Hole,
    Index,
    Join,
    Program,
    Ref,
    Row,
    Span,
    Table,
    Term,
    Union,
    storable,
)
from ayo_bridge.learn.render import render
from ayo_bridge.learn.trace import Item, Result
from ayo_bridge.learn.values import Form
from tests.learn.apps import known_of

_INDEX = st.builds(
    Index, st.sampled_from(["visit", "item", "next", "end", "every"]), st.integers(-9, 9)
)
_TERM = st.builds(
    Term,
    st.lists(st.one_of(st.text(max_size=5), st.integers(0, 9), _INDEX), max_size=5).map(tuple),
    st.sampled_from([Form("plain"), Form("strip lower"), Form("cut", 200)]),
)
_STOP = st.one_of(st.none(), st.integers(-2, 9), st.builds(Index, st.just("visit"), st.just(1)))
_LIST = st.one_of(
    st.builds(Span, _TERM, st.integers(0, 3), _STOP, st.integers(0, 5)), _TERM.map(Union)
)
_LEAF = st.one_of(
    st.builds(Const, st.text(max_size=20), st.integers(0, 5)),
    st.builds(Ref, st.lists(_TERM, min_size=1, max_size=3).map(tuple)),
    st.builds(Counter, st.sampled_from(["visit", "item", "position"]), st.integers(-3, 3)),
    st.builds(
        Table,
        _TERM,
        st.lists(
            st.builds(Row, st.text(max_size=9), st.text(max_size=9), st.integers(0, 4)), max_size=3
        ).map(tuple),
    ),
    st.builds(Hole, st.text(max_size=20)),
)
_PROGRAM = st.recursive(
    st.lists(_LEAF, max_size=4).map(lambda parts: Program(tuple(parts))),
    lambda inner: st.lists(
        st.one_of(
            _LEAF, st.builds(Join, st.lists(_LIST, min_size=1, max_size=2).map(tuple), inner)
        ),
        max_size=4,
    ).map(lambda parts: Program(tuple(parts))),
    max_leaves=3,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_PROGRAM)
def test_a_program_is_the_same_after_a_round_trip_through_json_text(program: Program) -> None:
    again = from_json(json.loads(json.dumps(to_json(program))))
    assert again == program
    assert hash(again) == hash(program)


@pytest.mark.parametrize("bad", [None, 3, "x", [["const", 1, 2]], [["new", "x"]], [["ref", [1]]]])
def test_what_is_no_program_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="no p"):
        from_json(bad)  # type: ignore[arg-type]


TERM = Term(("in", "query"))


@pytest.mark.parametrize(
    ("program", "kept"),
    [
        (Program((Const("Answer: ", 3), Ref((TERM,)), Const('"}', 0))), True),
        (Program((Const("The secret of one user: ", 2), Ref((TERM,)))), False),
        (Program((Table(TERM, (Row("a", "store", 3),)),)), True),
        (Program((Table(TERM, (Row("a", "store", 2),)),)), False),
        (Program((Table(TERM, (Row("a", "x" * 61, 3),)),)), False),
        (Program((Join((Union(TERM),), Program((Const("and", 1),))),)), False),
    ],
)
def test_only_programs_without_text_of_few_inputs_may_be_kept(program: Program, kept: bool) -> None:
    assert storable(program) is kept


def items(*texts: str) -> Known:
    known = known_of("why?")
    known.result("s", 0, Result(items=tuple(Item(text) for text in texts)))
    return known


ITEM = Term(("at", "s", 0, "items", EVERY, "text"))


@pytest.mark.parametrize(
    ("span", "visit", "said"),
    [
        (Span(ITEM), None, "a,b,c,d,e"),
        (Span(ITEM, 1, 3), None, "b,c"),
        (Span(ITEM, 0, -1), None, "a,b,c,d"),
        (Span(ITEM, 0, Index("visit")), 2, "a,b"),
        (Span(ITEM, chunk=2), 0, "a,b"),
        (Span(ITEM, chunk=2), 2, "e"),
    ],
)
def test_a_span_is_a_part_of_a_list(span: Span, visit: int | None, said: str) -> None:
    program = Program((Join((span,), Program((Const(","),))),))
    used: set[tuple[str, int]] = set()
    assert render(program, Where(visit), items(*"abcde"), used) == said
    assert used == {("s", 0)}


def test_a_chunk_past_the_end_is_missing_for_ever() -> None:
    program = Program((Join((Span(ITEM, chunk=2),), Program(())),))
    with pytest.raises(Missing) as missing:
        render(program, Where(1), items("a"), set())
    assert missing.value.waits == ()


def test_an_empty_list_is_known_to_be_empty_and_depends_on_its_result() -> None:
    used: set[tuple[str, int]] = set()
    program = Program((Const("["), Join((Span(ITEM),), Program((Const(","),))), Const("]")))
    assert render(program, Where(), items(), used) == "[]"
    assert used == {("s", 0)}


def test_a_missing_value_says_which_result_it_waits_for() -> None:
    program = Program((Ref((Term(("at", "s", Index("visit", -1), "text")),)),))
    with pytest.raises(Missing) as missing:
        render(program, Where(3), known_of("why?"), set())
    assert missing.value.waits == (("s", 2),)

"""The bound of a call, from records whose times are known."""

from __future__ import annotations

import pytest

from ayo_bridge.bench.observed import Bound, path, use
from ayo_bridge.graph import Graph, Op, Primitive
from ayo_bridge.seam import Outcome
from tests.observe.states import call, record

FAN_OUT = Graph(
    [
        Primitive("a", Op.EMBEDDING, "grade", "one", ("question",), ("x",)),
        Primitive("b", Op.EMBEDDING, "grade", "two", ("question",), ("y",)),
        Primitive("c", Op.EMBEDDING, "answer", "three", ("x", "y"), ("z",)),
    ],
    inputs=["question"],
    order=[("a", "b")],
)
"""The two before the answer need nothing of one another: only the program had them in order."""


def test_the_bound_is_the_longest_chain_of_data_and_the_own_code() -> None:
    one_by_one = record(
        call(primitive="a", engine="one", start=10.0, seconds=0.3, waited=0.3),
        call(Outcome.DIRECT, primitive="b", engine="two", start=10.3, seconds=0.2, waited=0.2),
        call(Outcome.DIRECT, primitive="c", engine="three", start=10.5, seconds=0.4, waited=0.4),
        e_graph=FAN_OUT,
        ended=11.0,
    )
    found = path([one_by_one], [])
    assert found.own == pytest.approx(0.1)
    assert found.bound is not None
    assert found.bound.seconds == pytest.approx(0.1 + 0.3 + 0.4)
    assert found.bound.took == pytest.approx(1.0)
    assert found.bound.share == pytest.approx(0.8)
    assert [(each.what, round(each.seconds, 3)) for each in found.stood] == [
        ("three", 0.4),
        ("one", 0.3),
        ("two", 0.2),
    ]


def test_calls_that_no_graph_knows_stay_where_they_are() -> None:
    unknown = record(
        call(primitive="a", engine="one", start=10.0, seconds=0.3, waited=0.3),
        call(
            Outcome.DIRECT, primitive="opaque.1", engine="four", start=10.3, seconds=0.7, waited=0.7
        ),
        e_graph=FAN_OUT,
        ended=11.0,
    )
    found = path([unknown], [])
    assert found.bound == Bound(pytest.approx(1.0), pytest.approx(1.0), 1)  # type: ignore[arg-type]


def test_where_nothing_ran_ahead_no_bound_is_known() -> None:
    alone = call(Outcome.DIRECT, primitive="a", engine="one", seconds=0.3, waited=0.3)
    assert path([record(alone, e_graph=FAN_OUT)], []).bound is None
    assert path([], []).stood == ()


def test_an_engine_is_busy_once_for_calls_side_by_side() -> None:
    calls = [
        call(start=10.0, seconds=0.4, batch=2),
        call(start=10.2, seconds=0.4, batch=4),
        call(start=10.8, seconds=0.2),
    ]
    found = use("minilm", calls, 2.0)
    assert (found.calls, found.batch) == (3, 3.0)
    assert found.busy == pytest.approx(0.4)
    assert found.in_flight == pytest.approx(0.5)

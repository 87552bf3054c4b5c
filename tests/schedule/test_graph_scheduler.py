"""Which primitives may be dispatched, as events come in."""

from __future__ import annotations

import pytest

from ayo_bridge.errors import GraphError
from ayo_bridge.graph import Graph, Op, Primitive
from ayo_bridge.schedule import GraphScheduler


def primitive(name: str, inputs: str = "", outputs: str = "", op: Op = Op.EMBEDDING) -> Primitive:
    return Primitive(name, op, "c", inputs=tuple(inputs.split()), outputs=tuple(outputs.split()))


def ids(ready: list[Primitive]) -> list[str]:
    return [p.id for p in ready]


@pytest.fixture
def diamond() -> GraphScheduler:
    graph = Graph(
        [
            primitive("a", "q", "x"),
            primitive("b", "x", "y"),
            primitive("c", "x", "z"),
            primitive("d", "y z", "r"),
        ],
        inputs=["q"],
    )
    return GraphScheduler(graph)


def test_a_primitive_is_ready_once_all_its_inputs_are(diamond: GraphScheduler) -> None:
    assert ids(diamond.start({"q": 1})) == ["a"]
    assert sorted(ids(diamond.complete("a", {"x": 1}))) == ["b", "c"]
    assert ids(diamond.complete("b", {"y": 1})) == []
    assert ids(diamond.complete("c", {"z": 1})) == ["d"]


def test_a_fed_value_counts_as_its_maker_having_ended(diamond: GraphScheduler) -> None:
    diamond.start({"q": 1})
    assert sorted(ids(diamond.feed({"x": 1}))) == ["b", "c"]
    assert "a" in diamond.ended
    assert ids(diamond.complete("a", {"x": 1})) == []


def test_order_edges_hold_back() -> None:
    graph = Graph(
        [primitive("a", "q", "x"), primitive("b", "q", "y")], inputs=["q"], order=[("a", "b")]
    )
    tier = GraphScheduler(graph)
    assert ids(tier.start({"q": 1})) == ["a"]
    assert ids(tier.complete("a", {"x": 1})) == ["b"]


def test_a_primitive_makes_only_its_own_values(diamond: GraphScheduler) -> None:
    diamond.start({"q": 1})
    with pytest.raises(GraphError, match="does not make z"):
        diamond.complete("a", {"z": 1})


def test_the_graph_grows_where_an_expand_stood() -> None:
    graph = Graph([primitive("e", "q", "r", Op.EXPAND)], inputs=["q"])
    tier = GraphScheduler(graph)
    assert ids(tier.start({"q": 1})) == ["e"]
    fragment = Graph([primitive("p", "q", "x"), primitive("s", "x", "r")], inputs=["q"])
    assert ids(tier.extend(fragment, instead_of="e")) == ["p"]
    assert ids(tier.complete("p", {"x": 1})) == ["s"]
    assert "e" not in tier.graph

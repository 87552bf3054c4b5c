"""Which primitives may be dispatched, as events come in."""

from __future__ import annotations

import pytest

from ayo_bridge.errors import GraphError
from ayo_bridge.graph import Graph, Op, Primitive
from ayo_bridge.graph.timing import remaining
from ayo_bridge.schedule import MISSING, GraphScheduler


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


def test_what_was_ordered_after_an_expand_waits_for_all_that_it_became() -> None:
    graph = Graph(
        [
            primitive("e", "q", "r", Op.EXPAND),
            primitive("after", "q", "s"),
            primitive("user", "r", "t"),
        ],
        inputs=["q"],
        order=[("e", "after")],
    )
    tier = GraphScheduler(graph)
    assert ids(tier.start({"q": 1})) == ["e"]
    fragment = Graph([primitive("p", "q", "x"), primitive("s", "x", "r")], inputs=["q"])
    assert ids(tier.extend(fragment, instead_of="e")) == ["p"]
    assert tier.depth("p") == 3
    assert ids(tier.complete("p", {"x": 1})) == ["s"]
    assert sorted(ids(tier.complete("s", {"r": 1}))) == ["after", "user"]


def test_what_becomes_ready_together_comes_in_the_order_of_the_graph() -> None:
    names = [f"p{i}" for i in range(20)]
    tier = GraphScheduler(Graph([primitive(name, "q", name + "v") for name in names], inputs=["q"]))
    assert ids(tier.start({})) == []
    assert ids(tier.feed({"q": 1})) == names


# Skipping.


def test_a_skipped_primitive_is_never_dispatched_and_makes_what_is_missing(
    diamond: GraphScheduler,
) -> None:
    diamond.start({"q": 1})
    assert ids(diamond.skip(["b"])) == []
    assert ids(diamond.complete("a", {"x": 1})) == ["c"]
    assert diamond.values["y"] is MISSING
    assert ids(diamond.complete("c", {"z": 1})) == ["d"]
    assert diamond.ended >= {"a", "b", "c"}


def test_skipping_all_that_was_waited_for_makes_ready_what_waits() -> None:
    graph = Graph(
        [primitive("x", "q", "y"), primitive("y", "y", "z"), primitive("z", "z", "r")],
        inputs=["q"],
    )
    tier = GraphScheduler(graph)
    assert ids(tier.skip(["x", "y"])) == ["z"]
    assert tier.values == {"y": MISSING, "z": MISSING}


def test_order_is_kept_through_what_is_skipped() -> None:
    graph = Graph(
        [primitive("write", "q", "w"), primitive("middle", "q"), primitive("read", "q", "r")],
        inputs=["q"],
        order=[("write", "middle"), ("middle", "read")],
    )
    tier = GraphScheduler(graph)
    assert ids(tier.start({"q": 1})) == ["write"]
    assert ids(tier.skip(["middle"])) == []
    assert ids(tier.complete("write", {"w": 1})) == ["read"]


def test_what_has_been_dispatched_is_not_skipped_any_more(diamond: GraphScheduler) -> None:
    diamond.start({"q": 1})
    assert ids(diamond.skip(["a"])) == []
    assert not diamond.skipped
    assert sorted(ids(diamond.complete("a", {"x": 1}))) == ["b", "c"]


# What is left.


def test_what_is_left_is_the_longest_path_of_what_is_under_way() -> None:
    graph = Graph(
        [
            primitive("slow", "q", "x"),
            primitive("fast", "q", "y"),
            primitive("last", "x y", "r"),
        ],
        inputs=["q"],
    )
    cost = {"slow": 3.0, "fast": 1.0, "last": 2.0}
    tier = GraphScheduler(graph, remaining(graph, lambda p: cost[p.id]))
    assert tier.left() == 0.0
    tier.start({"q": 1})
    assert [tier.remaining(name) for name in ("slow", "fast", "last")] == [5.0, 3.0, 2.0]
    assert tier.left() == 5.0
    tier.complete("slow", {"x": 1})
    assert tier.left() == 3.0
    tier.complete("fast", {"y": 1})
    assert tier.left() == 2.0
    tier.complete("last", {"r": 1})
    assert tier.left() == 0.0


def test_what_is_left_of_a_fragment_counts_what_follows_the_expand() -> None:
    graph = Graph([primitive("e", "q", "r", Op.EXPAND), primitive("user", "r", "t")], inputs=["q"])
    tier = GraphScheduler(graph, remaining(graph, lambda p: None if p.id == "e" else 2.0))
    tier.start({"q": 1})
    fragment = Graph([primitive("p", "q", "x"), primitive("s", "x", "r")], inputs=["q"])
    tier.extend(fragment, instead_of="e", remaining=remaining(fragment, lambda p: 1.0))
    assert tier.remaining("p") == 4.0
    assert tier.left() == 4.0

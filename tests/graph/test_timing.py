from ayo_bridge.graph import Graph, Op, Primitive
from ayo_bridge.graph.timing import asap, critical_path, in_order

GRAPH = Graph(
    [
        Primitive("a", Op.HOST, "c", outputs=("x",), items=3),
        Primitive("b", Op.HOST, "c", items=2),
        Primitive("c", Op.HOST, "c", inputs=("x",), items=1),
        Primitive("d", Op.HOST, "c", items=4),
    ],
    order=[("b", "d")],
)


def cost(primitive: Primitive) -> float | None:
    return float(primitive.items) if primitive.id != "c" else None


def test_asap_starts_everything_when_its_predecessors_have_ended() -> None:
    assert asap(GRAPH, cost) == {
        "a": (0.0, 3.0),
        "b": (0.0, 2.0),
        "c": (3.0, 3.0),
        "d": (2.0, 6.0),
    }


def test_in_order_runs_one_after_another() -> None:
    assert in_order(GRAPH, cost)["d"] == (5.0, 9.0)


def test_the_critical_path_is_the_end_of_the_last() -> None:
    assert critical_path(GRAPH, cost) == 6.0
    assert critical_path(Graph([]), cost) == 0.0

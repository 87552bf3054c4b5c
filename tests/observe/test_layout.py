import itertools

import pytest

from ayo_bridge.graph import Graph, Op, Primitive
from ayo_bridge.observe.layout import Bend, layered
from tests.observe import samples


def size(primitive: Primitive) -> tuple[float, float]:
    return 100.0, 36.0


def graph(*primitives: tuple[str, str]) -> Graph:
    """Primitives named after the value they make, with the values they take."""
    return Graph(
        Primitive(name, Op.HOST, "c", inputs=tuple(inputs), outputs=(name,))
        for name, inputs in primitives
    )


SAMPLES = [
    made
    for record in (samples.fusion(), samples.tree(12), samples.refine(9))
    for made in (record.p_graph, record.e_graph)
]


@pytest.mark.parametrize("drawn", SAMPLES)
def test_boxes_do_not_overlap_and_lie_on_the_sheet(drawn: Graph) -> None:
    layout = layered(drawn, size)
    boxes = [layout.boxes[name] for name in drawn.primitives]
    for one, other in itertools.combinations(boxes, 2):
        apart_x = abs(one.x - other.x) >= 100.0
        assert apart_x or abs(one.y - other.y) >= 36.0
    for box in boxes:
        assert box.x >= 0
        assert box.x + box.width <= layout.width
        assert 18 <= box.y <= layout.height - 18


@pytest.mark.parametrize("drawn", SAMPLES)
def test_lines_run_between_neighbouring_columns_and_clear_of_boxes(drawn: Graph) -> None:
    layout = layered(drawn, size)
    columns = sorted({box.x for box in layout.boxes.values()})
    for line in layout.lines:
        source, target = layout.boxes[line.source], layout.boxes[line.target]
        assert columns.index(target.x) == columns.index(source.x) + 1
    for node, place in layout.boxes.items():
        if isinstance(node, Bend):
            for name in drawn.primitives:
                box = layout.boxes[name]
                assert box.x != place.x or abs(box.y - place.y) > 18


@pytest.mark.parametrize("drawn", SAMPLES)
def test_every_edge_can_be_followed(drawn: Graph) -> None:
    after: dict[tuple[object, bool], set[object]] = {}
    for line in layered(drawn, size).lines:
        after.setdefault((line.source, line.order_only), set()).add(line.target)

    def reached(node: object, order_only: bool) -> set[object]:
        return {
            name
            for target in after.get((node, order_only), ())
            for name in (reached(target, order_only) if isinstance(target, Bend) else {target})
        }

    for edge in drawn.edges:
        assert edge.target in reached(edge.source, edge.value is None)
    for name in drawn.primitives:
        ends = reached(name, False) | reached(name, True)
        assert ends <= drawn.successors(name), "no edge is drawn that is not there"


def test_crossed_pairs_are_uncrossed() -> None:
    layout = layered(graph(("a", ""), ("b", ""), ("c", "b"), ("d", "a")), size)
    heights = {name: box.y for name, box in layout.boxes.items()}
    assert (heights["a"] < heights["b"]) == (heights["d"] < heights["c"])


def test_an_empty_graph_is_an_empty_sheet() -> None:
    layout = layered(Graph([]), size)
    assert not layout.boxes
    assert layout.width > 0

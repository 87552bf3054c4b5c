"""Layered drawing of a graph: which column each primitive stands in, and where edges run.

Columns are the longest path from the start. An edge over several columns passes through *bends*,
points that take room in the columns between, so that no edge crosses a box; the long edges
of a primitive share their bends. Rows are ordered by barycentres (Sugiyama, Tagawa, Toda 1981), and
heights are least squares under the order (isotonic regression).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ayo_bridge.graph import Graph, Primitive

GAP = 12.0
"""Between boxes of a column."""
BEND = 12.0
"""Room that a bend takes in its column."""
MARGIN = 14.0
_ORDER_SWEEPS = 16
_HEIGHT_SWEEPS = 120


@dataclass(frozen=True, slots=True)
class Bend:
    """Where the long edges from ``owner``, or with ``inward`` those to it, pass a column."""

    owner: str
    column: int
    order_only: bool
    inward: bool


Node = str | Bend


@dataclass(frozen=True, slots=True)
class Box:
    """A primitive's place: centre line ``y``, left edge ``x``."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """A stretch of an edge between neighbouring columns."""

    source: Node
    target: Node
    order_only: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands, in pixels."""

    width: float
    height: float
    boxes: Mapping[Node, Box]
    lines: Sequence[Line]


Size = Callable[[Primitive], tuple[float, float]]


def layered(graph: Graph, size: Size) -> Layout:
    """Lay out an acyclic graph.

    ``size`` gives the width and height that a primitive needs; a column is as wide as its widest.
    """
    sizes = {primitive.id: size(primitive) for primitive in graph}
    sheet = _Sheet.of(graph)
    sheet.order_rows()
    heights = {
        node: sizes[node][1] + GAP if isinstance(node, str) else BEND for node in sheet.nodes
    }
    centres = _centres(sheet, heights)
    top = min((centres[n] - heights[n] / 2 for n in sheet.nodes), default=0.0) - MARGIN
    boxes: dict[Node, Box] = {}
    x = MARGIN
    for number, column in enumerate(sheet.columns):
        width = max((sizes[node][0] for node in column if isinstance(node, str)), default=0.0)
        for node in column:
            high = sizes[node][1] if isinstance(node, str) else 0.0
            boxes[node] = Box(round(x, 1), round(centres[node] - top, 1), width, high)
        x += width + _gap_after(sheet, number)
    bottom = max((centres[n] + heights[n] / 2 for n in sheet.nodes), default=0.0) - top
    last = max((box.x + box.width for box in boxes.values()), default=0.0)
    return Layout(last + MARGIN, round(bottom + MARGIN, 1), boxes, sheet.lines)


@dataclass(slots=True)
class _Sheet:
    """Columns of nodes and the lines between neighbouring ones."""

    columns: list[list[Node]]
    lines: list[Line]
    before: dict[Node, list[Node]] = field(default_factory=dict)
    after: dict[Node, list[Node]] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph) -> _Sheet:
        column: dict[str, int] = {}
        for name in graph.topological_order():
            column[name] = max((column[p] + 1 for p in graph.predecessors(name)), default=0)
        columns: list[list[Node]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
        for name in graph.primitives:
            columns[column[name]].append(name)
        lines: dict[Line, None] = {}
        bends: dict[Bend, None] = {}
        long = [edge for edge in graph.edges if column[edge.target] - column[edge.source] > 1]
        leaving = Counter((edge.source, edge.value is None) for edge in long)
        arriving = Counter((edge.target, edge.value is None) for edge in long)
        for edge in graph.edges:
            order_only = edge.value is None
            inward = arriving[edge.target, order_only] > leaving[edge.source, order_only]
            owner = edge.target if inward else edge.source
            last: Node = edge.source
            for passed in range(column[edge.source] + 1, column[edge.target]):
                bend = Bend(owner, passed, order_only, inward)
                bends[bend] = None
                lines[Line(last, bend, order_only)] = None
                last = bend
            lines[Line(last, edge.target, order_only)] = None
        for bend in bends:
            columns[bend.column].append(bend)
        sheet = cls(columns, list(lines))
        for line in sheet.lines:
            sheet.after.setdefault(line.source, []).append(line.target)
            sheet.before.setdefault(line.target, []).append(line.source)
        return sheet

    @property
    def nodes(self) -> Iterable[Node]:
        return (node for column in self.columns for node in column)

    def order_rows(self) -> None:
        """Order every column so that few lines cross, and those that run are short."""
        best = [list(column) for column in self.columns]
        least = self._tangle()
        last = len(self.columns) - 1
        for sweep in range(_ORDER_SWEEPS):
            if sweep % 2:
                for number in range(1, last + 1):
                    _sort(self.columns[number], self.columns[number - 1], self.before)
            else:
                for number in range(last - 1, -1, -1):
                    _sort(self.columns[number], self.columns[number + 1], self.after)
            tangle = self._tangle()
            if tangle < least:
                least, best = tangle, [list(column) for column in self.columns]
        self.columns = best

    def _tangle(self) -> tuple[int, int]:
        """Crossings, then the rows that lines go up and down."""
        row = {node: i for column in self.columns for i, node in enumerate(column)}
        climbs = sum(abs(row[line.source] - row[line.target]) for line in self.lines)
        return self._crossings(), climbs

    def _crossings(self) -> int:
        """Number of pairs of lines that cross, all gaps together."""
        total = 0
        for left, right in pairwise(self.columns):
            row = {node: i for i, node in enumerate(right)}
            seen: list[int] = []
            for node in left:
                ends = sorted(row[target] for target in self.after.get(node, ()))
                total += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return total


def _sort(
    column: list[Node], fixed: Sequence[Node], towards: Mapping[Node, Sequence[Node]]
) -> None:
    """Sort a column by barycentre; nodes without neighbours on that side come last."""
    row = {node: i for i, node in enumerate(fixed)}

    def barycentre(node: Node) -> float:
        places = [row[other] for other in towards.get(node, ())]
        return sum(places) / len(places) if places else float("inf")

    column.sort(key=barycentre)


def _gap_after(sheet: _Sheet, number: int) -> float:
    """Room for the lines between two columns: more where there are many."""
    column = set(sheet.columns[number])
    lines = sum(line.source in column for line in sheet.lines)
    return min(80.0, 24.0 + 1.5 * lines)


def _centres(sheet: _Sheet, heights: Mapping[Node, float]) -> dict[Node, float]:
    """Heights of all nodes: near their neighbours', in order, without overlap."""
    centres: dict[Node, float] = {}
    for column in sheet.columns:
        y = 0.0
        for node in column:
            centres[node] = y + heights[node] / 2
            y += heights[node]
    for sweep in range(_HEIGHT_SWEEPS):
        for column in sheet.columns if sweep % 2 == 0 else reversed(sheet.columns):
            wanted, weights = [], []
            for node in column:
                pulls = [
                    (centres[other], _weight(node, other))
                    for other in (*sheet.before.get(node, ()), *sheet.after.get(node, ()))
                ]
                weight = sum(w for _, w in pulls)
                wanted.append(sum(y * w for y, w in pulls) / weight if pulls else centres[node])
                weights.append(weight or 0.1)
            for node, y in zip(column, _apart(wanted, weights, column, heights), strict=True):
                centres[node] = y
    return centres


def _weight(one: Node, other: Node) -> float:
    """How much a line wants to be straight; one from a bend to a box has to climb anyway."""
    if isinstance(one, Bend) and isinstance(other, Bend):
        return 6.0
    return 3.0 if isinstance(one, str) and isinstance(other, str) else 0.2


def _apart(
    wanted: Sequence[float],
    weights: Sequence[float],
    column: Sequence[Node],
    heights: Mapping[Node, float],
) -> list[float]:
    """The places nearest to ``wanted`` (weighted squares) that keep order and distance.

    With each node's distance from the first one taken off, that is isotonic regression, solved by
    pooling adjacent violators.
    """
    offsets = [0.0]
    for upper, lower in pairwise(column):
        offsets.append(offsets[-1] + (heights[upper] + heights[lower]) / 2)
    blocks: list[tuple[float, float, int]] = []
    for want, weight, offset in zip(wanted, weights, offsets, strict=False):
        mean, total, count = want - offset, weight, 1
        while blocks and blocks[-1][0] > mean:
            other, other_weight, other_count = blocks.pop()
            mean = (mean * total + other * other_weight) / (total + other_weight)
            total += other_weight
            count += other_count
        blocks.append((mean, total, count))
    places = [mean for mean, _, count in blocks for _ in range(count)]
    return [place + offset for place, offset in zip(places, offsets, strict=False)]

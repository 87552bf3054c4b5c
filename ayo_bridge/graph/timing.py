"""When primitives would start and end, given what each costs.

Times are seconds after the query was submitted. A cost of ``None`` counts as nothing, so every time
is then a lower bound.
"""

from __future__ import annotations

from collections.abc import Callable

from ayo_bridge.graph.graph import Graph
from ayo_bridge.graph.primitive import Primitive

Seconds = Callable[[Primitive], float | None]
Times = dict[str, tuple[float, float]]


def asap(graph: Graph, seconds: Seconds) -> Times:
    """Return ``(start, end)`` of each primitive if it starts when its predecessors have ended.

    Engines are taken to be unlimited. Of a p-graph this is the original program; of an e-graph the
    best the scheduler can do.
    """
    times: Times = {}
    for name in graph.topological_order():
        before = graph.predecessors(name)
        start = max([times[each][1] for each in before]) if before else 0.0
        times[name] = (start, start + (seconds(graph[name]) or 0.0))
    return times


def in_order(graph: Graph, seconds: Seconds) -> Times:
    """Return ``(start, end)`` of each primitive if one runs after another, as inserted."""
    times: Times = {}
    now = 0.0
    for primitive in graph:
        end = now + (seconds(primitive) or 0.0)
        times[primitive.id] = (now, end)
        now = end
    return times


def remaining(graph: Graph, seconds: Seconds) -> dict[str, float]:
    """Return the longest path from the start of each primitive to the end of the graph."""
    left: dict[str, float] = {}
    for name in reversed(graph.topological_order()):
        after = max([left[following] for following in graph.successors(name)], default=0.0)
        left[name] = after + (seconds(graph[name]) or 0.0)
    return left


def critical_path(graph: Graph, seconds: Seconds) -> float:
    """Return the length of the longest path: no schedule can end sooner."""
    ends: dict[str, float] = {}
    known: dict[str, float] = {}  # when values are
    for name in graph.topological_order():
        primitive = graph[name]
        end = 0.0
        for value in primitive.inputs:
            end = max(end, known.get(value, 0.0))
        for source in graph.ordered_before.get(name, ()):
            end = max(end, ends[source])
        ends[name] = end = end + (seconds(primitive) or 0.0)
        for value in primitive.outputs:
            known[value] = end
    return max(ends.values(), default=0.0)

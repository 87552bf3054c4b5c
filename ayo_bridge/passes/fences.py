"""Which orders of the original program a rewrite must keep although no data flows.

A *fence* is a primitive whose order against others can be seen from outside: one of unknown effect
(against everything), a condition (against everything after it), a write (against whatever uses the
same engine). Legality is asked of the declared effects; an unknown effect means: keep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ayo_bridge.graph.graph import Graph
from ayo_bridge.graph.primitive import Effect, Op, Primitive

Fences = Mapping[str, frozenset[str]]
Supersedes = Callable[[Primitive, Primitive], bool]
_NONE: frozenset[str] = frozenset()


def is_fence(primitive: Primitive) -> bool:
    """Whether the order of this primitive against others matters beyond its data."""
    return primitive.effect is not Effect.PURE or primitive.op is Op.CONDITION


def fences_before(graph: Graph) -> Fences:
    """Return, for each primitive, the nearest fences that must end before it starts."""
    if not any(map(is_fence, graph)):
        return {}
    reach = _reaching(graph, graph.topological_order(), graph.predecessors, _forward_supersedes)
    return {
        name: frozenset(f for f in fences if _holds_back(graph[f], graph[name]))
        for name, fences in reach.items()
        if fences
    }


def fences_after(graph: Graph) -> Fences:
    """Return, for each primitive, the nearest fences that must not start before it has ended."""
    if not any(map(is_fence, graph)):
        return {}
    order = reversed(graph.topological_order())
    reach = _reaching(graph, order, graph.successors, _backward_supersedes)
    return {
        name: frozenset(f for f in fences if _waits_for(graph[f], graph[name]))
        for name, fences in reach.items()
        if fences
    }


def fence_edges(graph: Graph) -> list[tuple[str, str]]:
    """Return order edges that, with the data edges, keep every order that must be kept.

    An edge that a path of data edges and other such edges implies is left out where that can be
    seen from the neighbours. Linear in the size of the graph for a bounded number of fences.
    """
    before, after = fences_before(graph), fences_after(graph)
    if not before and not after:
        return []
    makers, users = _data_neighbours(graph)
    order = graph.topological_order()
    forward = _not_implied(graph, order, before, makers, _forward_supersedes)
    edges = [(fence, name) for name, fence in forward]
    edges += _not_implied(graph, reversed(order), after, users, _backward_supersedes)
    return list(dict.fromkeys(edges))


def _holds_back(fence: Primitive, later: Primitive) -> bool:
    if fence.effect is Effect.WRITE and later.effect is not Effect.UNKNOWN:
        return fence.engine == later.engine
    return True


def _waits_for(fence: Primitive, earlier: Primitive) -> bool:
    if fence.effect is Effect.WRITE and earlier.effect is not Effect.UNKNOWN:
        return fence.engine == earlier.engine
    return fence.effect is not Effect.PURE


def _forward_supersedes(nearer: Primitive, fence: Primitive) -> bool:
    """Whether waiting for ``nearer`` is enough, because it waits for ``fence`` itself."""
    if nearer.effect is Effect.UNKNOWN:
        return True
    if nearer.effect is Effect.WRITE:
        return fence.effect is Effect.WRITE and fence.engine == nearer.engine
    return fence.effect is not Effect.WRITE


def _backward_supersedes(nearer: Primitive, fence: Primitive) -> bool:
    if nearer.effect is Effect.UNKNOWN:
        return True
    if nearer.effect is Effect.WRITE:
        return fence.effect is Effect.WRITE and fence.engine == nearer.engine
    return False


def _reaching(
    graph: Graph,
    order: Iterable[str],
    neighbours: Callable[[str], frozenset[str]],
    supersedes: Supersedes,
) -> dict[str, frozenset[str]]:
    """The fences on the paths to each primitive that no nearer one supersedes."""
    reach: dict[str, frozenset[str]] = {}
    passed: dict[str, frozenset[str]] = {}
    for name in order:
        found = _NONE
        for neighbour in neighbours(name):
            fences = passed[neighbour]
            if fences is not found:
                found = found | fences if found else fences
        reach[name] = found
        passed[name] = _passed(graph, graph[name], found, supersedes)
    return reach


def _passed(
    graph: Graph, primitive: Primitive, fences: frozenset[str], supersedes: Supersedes
) -> frozenset[str]:
    """The fences that those beyond ``primitive`` still have to mind."""
    if not is_fence(primitive):
        return fences
    return frozenset(f for f in fences if not supersedes(primitive, graph[f])) | {primitive.id}


def _data_neighbours(graph: Graph) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    makers: dict[str, list[str]] = {name: [] for name in graph.primitives}
    users: dict[str, list[str]] = {name: [] for name in graph.primitives}
    for edge in graph.edges:
        if edge.value is not None:
            makers[edge.target].append(edge.source)
            users[edge.source].append(edge.target)
    return makers, users


def _not_implied(
    graph: Graph,
    order: Iterable[str],
    required: Fences,
    neighbours: Mapping[str, list[str]],
    supersedes: Supersedes,
) -> list[tuple[str, str]]:
    """Pairs ``(primitive, fence)`` of ``required`` that no data neighbour implies already."""
    pairs: list[tuple[str, str]] = []
    kept: dict[str, frozenset[str]] = {}
    for name in order:
        implied = _NONE
        for neighbour in neighbours[name]:
            sure = kept[neighbour]
            if sure is not implied:
                implied = implied | sure if implied else sure
        needed = required.get(name, _NONE)
        pairs += [(name, fence) for fence in sorted(needed - implied)]
        kept[name] = _passed(graph, graph[name], implied | needed, supersedes)
    return pairs

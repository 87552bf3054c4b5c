"""What the graph of a query says of its requests before they are sent. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Final

from ayo_bridge.graph import Graph, Op, Primitive
from ayo_bridge.graph.primitive import DECODES, PREFILLS, PromptPart
from ayo_bridge.seam import Foreseen

_ASKS: Final = PREFILLS | {Op.PARTIAL_PREFILLING, Op.EXPAND}
_GOES_ON: Final = PREFILLS | {Op.HOST, Op.EXPAND}
_ALONE: Final = (False, False)


def foreseen(
    graph: Graph,
    primitive: Primitive,
    program: Hashable,
    is_coming: Callable[[str], bool],
    until: Callable[[str], float | None] = lambda name: None,
) -> Foreseen | None:
    """What the graph says of the request of a primitive; ``None``: that asks no LLM.

    Calls of one component stand in different places if one begins it and another ends it: the
    leaves of a tree and its root, the first draft of a refine chain and its last one.

    Args:
        graph: the e-graph as it is now.
        primitive: of the request.
        program: equal for all queries of the same one.
        is_coming: whether a primitive has not ended.
        until: seconds until a primitive starts, if that can be estimated.
    """
    if primitive.op not in _ASKS:
        return None
    is_warm = primitive.op is Op.PARTIAL_PREFILLING
    sides = graph.derive(_sides).get(primitive.id, _ALONE)
    place = (program, primitive.component, is_warm, *sides)
    if not primitive.prompt:
        return Foreseen(place)
    further = [name for name in _further(graph, primitive) if is_coming(name)]
    seconds = [found for name in further if (found := until(name)) is not None]
    return Foreseen(place, bool(further), min(seconds, default=None))


def _further(graph: Graph, primitive: Primitive) -> list[str]:
    """The calls whose prompts go on from that of a primitive."""
    prompts = graph.derive(_prompts)
    own = prompts.get(primitive.id, ())
    return [
        name
        for name, prompt in prompts.items()
        if prompt[: len(own)] == own
        and name != primitive.id
        and graph[name].op in PREFILLS
        and graph[name].component == primitive.component
        and graph[name].engine == primitive.engine
    ]


def _prompts(graph: Graph) -> Mapping[str, tuple[PromptPart, ...]]:
    """The whole prompts of all calls: that of a full prefilling begins with its partial one's."""
    partial = {p.root: p.prompt for p in graph if p.op is Op.PARTIAL_PREFILLING}
    return {
        p.id: (*partial.get(p.root, ()), *p.prompt) if p.op is Op.FULL_PREFILLING else p.prompt
        for p in graph
        if p.prompt
    }


def _sides(graph: Graph) -> Mapping[str, tuple[bool, bool]]:
    """Of each primitive that asks: whether it takes answers of its component, and whether that goes
    on with what it answers."""
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    order = graph.topological_order()
    for name in order:
        before[name] = found = set()
        for maker in graph.makers(name):
            found |= before[maker]
            if graph[maker].op in DECODES:
                found.add(graph[maker].component)
    for name in reversed(order):
        after[name] = found = set()
        for user in (user for value in graph[name].outputs for user in graph.users(value)):
            found |= after[user]
            if graph[user].op in _GOES_ON:
                found.add(graph[user].component)
    return {
        p.id: (p.component in before[p.id], p.component in after[p.id])
        for p in graph
        if p.op in _ASKS
    }


__all__ = ["foreseen"]

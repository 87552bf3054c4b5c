"""Runs graphs on symbols: what is computed from what, in which order, with which effects seen."""

import random
from collections.abc import Mapping, Sequence

from ayo_bridge.graph import Effect, Graph, Op, Primitive
from ayo_bridge.passes import part_of
from ayo_bridge.passes.cutting import batch_inputs

Values = dict[str, list[object]]

_PER_ITEM = {Op.EMBEDDING, Op.SEARCHING, Op.RERANKING, Op.INGESTION}


def any_legal_order(graph: Graph, chance: random.Random) -> list[str]:
    waiting = {name: len(graph.predecessors(name)) for name in graph.primitives}
    ready = [name for name, count in waiting.items() if count == 0]
    order = []
    while ready:
        name = ready.pop(chance.randrange(len(ready)))
        order.append(name)
        for after in graph.successors(name):
            waiting[after] -= 1
            if waiting[after] == 0:
                ready.append(after)
    return order


def run(graph: Graph, inputs: Mapping[str, Sequence[object]], order: Sequence[str]) -> Values:
    """Every value as the list of its items, each a term that says how it was made."""
    values: Values = {name: list(items) for name, items in inputs.items()}
    world = _World()
    for name in order:
        primitive = graph[name]
        made = _evaluate(graph, primitive, values, world)
        for value in primitive.outputs:
            values[value] = made
    return values


class _World:
    """State outside the graph: what was written to each store, what unknown code has done."""

    def __init__(self) -> None:
        self.stores: dict[str, tuple[object, ...]] = {}
        self.deeds: tuple[object, ...] = ()


def _evaluate(graph: Graph, primitive: Primitive, values: Values, world: _World) -> list[object]:
    root, op = primitive.root, primitive.op
    taken = [tuple(values[value]) for value in primitive.inputs]
    if op in _PER_ITEM:
        names = batch_inputs(primitive)
        items = [item for value in names for item in values[value]]
        if (part := part_of(graph, primitive)) is not None:
            items = items[part]
        if op is Op.INGESTION:
            stored = world.stores.get(primitive.engine, ())
            world.stores[primitive.engine] = stored + tuple(items)
        if op is Op.SEARCHING:
            seen = (world.stores.get(primitive.engine, ()), world.deeds)
            return [("hit", item, seen) for item in items]
        shared = tuple(tuple(values[v]) for v in primitive.inputs if v not in names)
        return [(op.value, item, shared) for item in items]
    if op is Op.DECODING:
        return [("item", i, taken[0]) for i in range(primitive.items)]
    if op is Op.PARTIAL_DECODING:
        return [("item", primitive.stage, taken[0])]
    if op is Op.AGGREGATE:
        return [item for items in taken for item in items]
    if primitive.effect is Effect.UNKNOWN:
        seen_stores = tuple(sorted(world.stores.items()))
        world.deeds = (*world.deeds, (root, tuple(taken), seen_stores))
        return [("host", root, i, world.deeds) for i in range(5)]
    if op is Op.HOST:
        return [("host", root, i, tuple(taken)) for i in range(5)]
    return [(root, tuple(taken))]

"""Graphs as text a reviewer can read, as a Mermaid flowchart, and as plain data."""

from __future__ import annotations

from ayo_bridge.graph.graph import Graph
from ayo_bridge.graph.primitive import Effect, Primitive


def picture(graph: Graph) -> str:
    """Return one line a primitive, in topological order.

    A line gives depth, id, operation, engine, what is not the default of the rest, and after
    ``<-`` what it waits for: graph inputs and primitives whose data it takes, then in parentheses
    primitives that only run before it.
    """
    depths = graph.depths()
    after: dict[str, list[str]] = {}
    for source, target in graph.order:
        after.setdefault(target, []).append(source)
    rows = [
        (
            str(depths[name]),
            name,
            graph[name].op.value,
            graph[name].engine,
            _details(graph[name]),
            _waits(graph, graph[name], after.get(name, [])),
        )
        for name in graph.topological_order()
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(5)]
    lines = [f"inputs: {', '.join(sorted(graph.inputs))}"]
    for depth, *cells, waits in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append(f"{depth.rjust(widths[0])}  {'  '.join(padded)}  {waits}".rstrip())
    return "\n".join(lines) + "\n"


def _details(primitive: Primitive) -> str:
    """What is not the default."""
    details: list[str] = []
    if primitive.items != 1:
        details.append(f"{primitive.items} items")
    if primitive.prompt:
        details.append(f"{primitive.prompt_tokens} prompt tokens")
    if primitive.tokens:
        details.append(f"{primitive.tokens} tokens")
    if primitive.stage is not None:
        details.append(f"stage {primitive.stage}")
    if primitive.effect is not Effect.PURE:
        details.append(primitive.effect.value)
    return ", ".join(details)


def _waits(graph: Graph, primitive: Primitive, order: list[str]) -> str:
    data = dict.fromkeys(graph.producer(value) or value for value in primitive.inputs)
    waits = [*data, *(f"({name})" for name in order)]
    return f"<- {', '.join(waits)}" if waits else ""


def mermaid(graph: Graph) -> str:
    """Return a Mermaid flowchart; order-only edges are dotted."""
    names = {name: f"p{i}" for i, name in enumerate(graph.primitives)}
    inputs = {value: f"i{i}" for i, value in enumerate(sorted(graph.inputs))}
    lines = ["flowchart TD"]
    lines += [f'  {node}(["{_escape(value)}"])' for value, node in inputs.items()]
    for primitive in graph:
        engine = f" on {primitive.engine}" if primitive.engine else ""
        label = f"{_escape(primitive.id)}<br/>{primitive.op.value}{_escape(engine)}"
        lines.append(f'  {names[primitive.id]}["{label}"]')
    for primitive in graph:
        lines += [
            f"  {inputs[value]} --> {names[primitive.id]}"
            for value in primitive.inputs
            if value in inputs
        ]
    drawn = dict.fromkeys((edge.source, edge.target, edge.value is None) for edge in graph.edges)
    for source, target, order_only in drawn:
        lines.append(f"  {names[source]} {'-.->' if order_only else '-->'} {names[target]}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def to_json(graph: Graph) -> dict[str, object]:
    """Return the graph as lists, dicts, strings and numbers, in insertion order."""
    depths = graph.depths()
    return {
        "inputs": sorted(graph.inputs),
        "primitives": [_primitive_json(primitive, depths) for primitive in graph],
        "edges": [
            {"source": edge.source, "target": edge.target, "value": edge.value}
            for edge in graph.edges
        ],
    }


def _primitive_json(primitive: Primitive, depths: dict[str, int]) -> dict[str, object]:
    return {
        "id": primitive.id,
        "op": primitive.op.value,
        "component": primitive.component,
        "engine": primitive.engine,
        "inputs": list(primitive.inputs),
        "outputs": list(primitive.outputs),
        "effect": primitive.effect.value,
        "items": primitive.items,
        "tokens": primitive.tokens,
        "prompt": [{"tokens": part.tokens, "value": part.value} for part in primitive.prompt],
        "batchable": primitive.batchable,
        "splittable": primitive.splittable,
        "stage": primitive.stage,
        "origin": primitive.origin,
        "depth": depths[primitive.id],
    }

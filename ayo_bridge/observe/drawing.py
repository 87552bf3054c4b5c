"""A primitive graph as a layered SVG drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from ayo_bridge.graph import Graph, Op, Primitive
from ayo_bridge.graph.primitive import DECODES, LLM_OPS
from ayo_bridge.observe.layout import Box, Layout, Line, layered
from ayo_bridge.observe.markup import add, add_shape, shortened, svg
from ayo_bridge.observe.wording import duration
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall, EngineKind, Outcome

_HEIGHT = 36.0
_NARROWEST, _WIDEST = 72.0, 170.0
_ID, _SMALL = 7.5, 6.2
"""Pixels a character takes in the two sizes of text."""
_WORST_FIRST = (
    Outcome.DROPPED,
    Outcome.WASTED,
    Outcome.CANCELLED,
    Outcome.DIRECT,
    Outcome.AHEAD,
    Outcome.HIT,
    Outcome.WARM,
)
_KIND_OF_OP = {
    Op.EMBEDDING: EngineKind.EMBEDDING,
    Op.RERANKING: EngineKind.RERANKER,
    Op.INGESTION: EngineKind.VECTOR_STORE,
    Op.SEARCHING: EngineKind.VECTOR_STORE,
    Op.API_CALL: EngineKind.SEARCH_API,
    **dict.fromkeys(LLM_OPS, EngineKind.LLM),
}


def draw(graph: Graph, label: str, record: CallRecord | None = None) -> Element:
    """Draw a graph. With a record, every box shows how its engine calls came about."""
    layout = layered(graph, _size)
    root = svg(layout.width, layout.height, label, class_="graph")
    root.set("style", f"--wide: {layout.width:.0f}px")
    calls = _calls_by_primitive(record)
    states = outcomes(graph, calls)
    for line in layout.lines:
        _draw_line(root, layout, line)
    for primitive in graph:
        box = layout.boxes[primitive.id]
        own = calls.get(primitive.id, [])
        _draw_box(root, primitive, box, states.get(primitive.id), own, graph)
    return root


def outcomes(graph: Graph, calls: Mapping[str, list[EngineCall]]) -> dict[str, Outcome]:
    """How each primitive's calls came about, the worst of them; a decode shares its prefill's."""
    states: dict[str, Outcome] = {}
    for name in graph.topological_order():
        found = {call.outcome for call in calls.get(name, ())}
        if not found and graph[name].op in DECODES:
            found = {
                states[before]
                for before in graph.predecessors(name)
                if before in states and graph[before].op in LLM_OPS
            } - {Outcome.WARM}
        if found:
            states[name] = min(found, key=_WORST_FIRST.index)
    return states


def kind_class(op: Op) -> str:
    """The colour class of a primitive: its engine's kind, or the framework's own."""
    kind = _KIND_OF_OP.get(op)
    return f"k-{kind.value}" if kind else "k-host"


def _calls_by_primitive(record: CallRecord | None) -> dict[str, list[EngineCall]]:
    calls: dict[str, list[EngineCall]] = {}
    for call in record.own_calls if record else ():
        calls.setdefault(call.primitive, []).append(call)
    return calls


def _size(primitive: Primitive) -> tuple[float, float]:
    text = max(len(_name(primitive)) * _ID, len(_small_print(primitive)) * _SMALL) + 16
    return min(max(text, _NARROWEST), _WIDEST), _HEIGHT


def _name(primitive: Primitive) -> str:
    """The id without the component, which stands below it."""
    return primitive.id.removeprefix(f"{primitive.component}.")


def _small_print(primitive: Primitive) -> str:
    if primitive.items > 1:
        return f"{primitive.component} ×{primitive.items}"
    tokens = primitive.prompt_tokens or primitive.tokens
    return f"{primitive.component}, {tokens} tok" if tokens else primitive.component


def _draw_line(root: Element, layout: Layout, line: Line) -> None:
    source, target = layout.boxes[line.source], layout.boxes[line.target]
    x1, x2 = source.x + source.width, target.x
    middle = (x1 + x2) / 2
    path = (
        f"M{x1:.1f} {source.y}C{middle:.1f} {source.y} {middle:.1f} {target.y} {x2:.1f} {target.y}"
    )
    names = "edge order" if line.order_only else "edge"
    if not isinstance(line.target, str):
        path += f"H{x2 + target.width:.1f}"
    add(root, "path", d=path, class_=names)
    if isinstance(line.target, str):
        y = target.y
        add(root, "path", d=f"M{x2:.1f} {y}l-6 -3v6z", class_="tip")


def _draw_box(
    root: Element,
    primitive: Primitive,
    box: Box,
    outcome: Outcome | None,
    calls: list[EngineCall],
    graph: Graph,
) -> None:
    names = f"box {kind_class(primitive.op)}" + (f" o-{outcome.value}" if outcome else " o-plan")
    group = add(root, "g", class_=names, data_id=primitive.id)
    add(group, "title", _tooltip(primitive, outcome, calls, graph))
    top = box.y - box.height / 2
    place = {"x": box.x, "y": top, "width": box.width, "height": box.height, "rx": 5.0}
    warms = outcome is Outcome.WARM or (outcome is None and primitive.op is Op.PARTIAL_PREFILLING)
    add_shape(group, place, "back", hatched=warms)
    room = box.width - 14
    add(
        group,
        "text",
        shortened(_name(primitive), room, _ID),
        x=box.x + 8,
        y=top + 15.5,
        class_="id",
    )
    small = shortened(_small_print(primitive), room, _SMALL)
    add(group, "text", small, x=box.x + 8, y=top + 28.5, class_="small")


def _tooltip(
    primitive: Primitive, outcome: Outcome | None, calls: list[EngineCall], graph: Graph
) -> str:
    lines = [
        primitive.id,
        f"{primitive.op.value}" + (f" on {primitive.engine}" if primitive.engine else ""),
        f"component {primitive.component}",
    ]
    if primitive.origin:
        lines.append(f"cut from {primitive.origin}")
    if primitive.items > 1:
        lines.append(f"{primitive.items} items")
    if primitive.prompt_tokens or primitive.tokens:
        lines.append(f"about {primitive.prompt_tokens} prompt, {primitive.tokens} decoded tokens")
    if primitive.inputs:
        lines.append(f"in: {', '.join(primitive.inputs)}")
    if primitive.outputs:
        lines.append(f"out: {', '.join(primitive.outputs)}")
    after = [source for source, target in graph.order if target == primitive.id]
    if after:
        lines.append(f"only after: {', '.join(after)}")
    if calls:
        kinds = Counter(call.outcome.value for call in calls)
        lines.append("calls: " + ", ".join(f"{number} {kind}" for kind, number in kinds.items()))
        worked = sum(call.seconds for call in calls)
        waited = sum(call.waited for call in calls)
        lines.append(f"worked {duration(worked)}, the original waited {duration(waited)}")
    elif outcome is not None:
        lines.append(f"{outcome.value}, with its prefill")
    return "\n".join(lines)

"""Both scripts of an app on one page: graphs before and after the passes, and when all ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from ayo_bridge.graph import Graph, mermaid, picture
from ayo_bridge.observe.drawing import draw
from ayo_bridge.observe.markup import add, add_patterns, write
from ayo_bridge.observe.summary import sheet
from ayo_bridge.passes import Decision
from ayo_bridge.workflow import Result
from examples.apps.arms import Arm
from examples.apps.spec import AppSpec

_STYLE = """
body { max-width: none; }
table { width: auto; min-width: 0; }
td, th { padding: .15rem .8rem .15rem 0; text-align: left; font-variant-numeric: tabular-nums; }
pre { overflow-x: auto; font-size: .75rem; }
"""


def text(graph: Graph, *, as_mermaid: bool) -> str:
    """A graph for a terminal, or as a Mermaid flowchart."""
    return mermaid(graph) if as_mermaid else picture(graph)


def spans(result: Result) -> list[tuple[str, float, float]]:
    """Component, and seconds from submission to its first start and to its last end.

    What was skipped is not there.
    """
    found: dict[str, tuple[float, float]] = {}
    for name, timing in result.timings.items():
        if name not in result.e_graph or timing.ended is None:
            continue
        component = result.e_graph[name].component
        start, end = found.get(component, (timing.started, timing.ended))
        found[component] = min(start, timing.started), max(end, timing.ended)
    origin = result.submitted
    return [(name, start - origin, end - origin) for name, (start, end) in found.items()]


def decided(decisions: Sequence[Decision]) -> Iterator[str]:
    """What was rewritten, a line each."""
    for decision in decisions:
        if decision.applied:
            targets = ", ".join(decision.targets[:3]) + (" ..." if decision.targets[3:] else "")
            yield f"{decision.pass_name}: {targets}: {decision.reason}"


def page(spec: AppSpec, arms: Sequence[Arm], note: str) -> str:
    """Return the page; the first query of each arm is shown. It needs no network."""
    html = Element("html", {"lang": "en"})
    head = add(html, "head")
    add(head, "meta", charset="utf-8")
    add(head, "title", f"{spec.what} · ayo-bridge")
    add(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    add(head, "style", sheet("chart.css") + sheet("page.css") + _STYLE)
    body = add(html, "body", class_="ayo")
    add_patterns(body)
    header = add(body, "header")
    add(header, "h1", spec.what)
    add(header, "p", f"{spec.source}. {note}", class_="soft")
    for arm in arms:
        _arm(body, arm)
    return f"<!doctype html>\n{write(html)}\n"


def _arm(body: Element, arm: Arm) -> None:
    result = arm.results[0]
    part = add(body, "article")
    add(part, "h2", f"{arm.name}: {result.seconds:.2f} s")
    label = f"primitives of the {arm.name} script"
    add(part, "div", class_="scroll").append(draw(result.e_graph, label))
    table = add(part, "table")
    row = add(table, "tr")
    for title in ("component", "starts (s)", "ends (s)"):
        add(row, "th", title)
    for component, start, end in spans(result):
        row = add(table, "tr")
        for cell in (component, f"{start:.2f}", f"{end:.2f}"):
            add(row, "td", cell)
    for line in decided(result.decisions):
        add(part, "p", line, class_="soft")
    for name, as_mermaid in (("as text", False), ("as a Mermaid flowchart", True)):
        details = add(part, "details")
        add(details, "summary", f"the graph {name}")
        add(details, "pre", text(result.e_graph, as_mermaid=as_mermaid))

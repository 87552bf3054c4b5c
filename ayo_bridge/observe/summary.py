"""What a page begins with and a notebook shows: the verdict, and the last call over time."""

from __future__ import annotations

from importlib.resources import files
from xml.etree.ElementTree import Element, SubElement

from ayo_bridge.observe.drawing import kind_class
from ayo_bridge.observe.gantt import charts
from ayo_bridge.observe.markup import add, add_patterns, add_shape, svg, write
from ayo_bridge.observe.verdict import Verdict
from ayo_bridge.observe.wording import about
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineKind, Outcome

_KINDS = {
    EngineKind.LLM: "LLM",
    EngineKind.EMBEDDING: "embedding",
    EngineKind.RERANKER: "reranker",
    EngineKind.VECTOR_STORE: "vector store",
    EngineKind.SEARCH_API: "search API",
}
_STATES = {
    Outcome.HIT: "computed ahead",
    Outcome.DIRECT: "the original's own call",
    Outcome.WARM: "prefix warm",
    Outcome.WASTED: "never used",
    Outcome.DROPPED: "failed ahead",
    Outcome.CANCELLED: "cancelled with the call",
}


def fragment(target: str, verdict: Verdict, record: CallRecord | None) -> str:
    """HTML for a notebook: needs no network and no script, and styles nothing but itself."""
    root = Element("div", {"class": "ayo"})
    add(root, "style", sheet("chart.css"))
    add_patterns(root)
    add_verdict(root, verdict)
    if record is not None:
        add_time(root, target, record)
    return write(root)


def sheet(name: str) -> str:
    """A style sheet of this package."""
    return files("ayo_bridge.observe").joinpath(name).read_text("utf-8")


def add_verdict(parent: Element, verdict: Verdict) -> None:
    """The line, a bar for a call before and one after, and the longest thing left."""
    box = add(parent, "div", class_="verdict")
    add(box, "p", str(verdict), class_="says")
    known = verdict.expected
    if known is not None and known.before > 0:
        times = add(box, "div", class_="times")
        for name, seconds in (("before", known.before), ("after", known.after)):
            row = add(times, "div")
            add(row, "span", name)
            share = f"width: {100 * seconds / known.before:.1f}%"
            add(add(row, "span", class_="track"), "span", class_=f"fill {name}", style=share)
            add(row, "b", about(seconds))
    for line in verdict.left.lines() if verdict.left else ():
        add(box, "p", line.strip(), class_="soft")


def add_time(parent: Element, target: str, record: CallRecord) -> None:
    """When engines worked for a call, and when the original stood still."""
    add_legend(parent, record, over_time=True)
    box = add(parent, "div", class_="scroll")
    box.extend(charts(record, f"Time chart of {target}.{record.entry}"))


def add_legend(section: Element, record: CallRecord, *, over_time: bool) -> None:
    """Explain the colours and strokes that this call has."""
    kinds = {call.kind for call in record.calls}
    found = {call.outcome for call in record.calls}
    legend = add(section, "div", class_="legend")
    for kind, text in _KINDS.items():
        if kind in kinds:
            _swatch(legend, f"k-{kind.value} o-hit", text)
    if not over_time and any(kind_class(primitive.op) == "k-host" for primitive in record.e_graph):
        _swatch(legend, "k-host o-plan", "framework")
    add(legend, "span", class_="divide")
    for outcome, text in _STATES.items():
        if outcome in found:
            _swatch(legend, f"k-any o-{outcome.value}", text, hatched=outcome is Outcome.WARM)
    if over_time:
        _swatch(legend, "", "the original's own code", mark="own")
        _swatch(legend, "", "it stands still", mark="still")


def _swatch(
    legend: Element, names: str, text: str, *, hatched: bool = False, mark: str = "back"
) -> None:
    item = SubElement(legend, "span")
    sample = svg(18, 12, "")
    group = add(sample, "g", class_=names)
    place = {"x": 1, "y": 1, "width": 16, "height": 10, "rx": 2}
    add_shape(group, place, mark, hatched=hatched)
    sample.tail = text
    item.append(sample)

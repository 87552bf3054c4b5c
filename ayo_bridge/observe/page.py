"""One self-contained HTML page about the calls of an accelerated object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from xml.etree.ElementTree import Element, SubElement

from ayo_bridge.observe.decisions import grouped
from ayo_bridge.observe.drawing import draw, kind_class
from ayo_bridge.observe.explain import Explanation
from ayo_bridge.observe.gantt import chart
from ayo_bridge.observe.markup import add, svg, write
from ayo_bridge.observe.parts import details_of, engines_of, kind_of, opaque_parts
from ayo_bridge.observe.waits import end_of, waits
from ayo_bridge.observe.wording import counted, duration, gain
from ayo_bridge.record.counters import is_own
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


def page(explanation: Explanation, records: Sequence[CallRecord]) -> str:
    """Return the page: the last record is shown first, the others can be picked.

    It needs no network, no script and no font of its own, and follows the reader's choice of a
    light or a dark scheme.
    """
    html = Element("html", {"lang": "en"})
    head = add(html, "head")
    add(head, "meta", charset="utf-8")
    add(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    add(head, "title", f"{explanation.target} · ayo-bridge")
    add(head, "style", _style(len(records)))
    body = add(html, "body")
    _patterns(body)
    _heading(body, explanation)
    if not records:
        add(body, "p", "No call has finished yet: make one, and it is shown here.", class_="notice")
    _picker(body, explanation, records)
    for number, record in enumerate(records):
        _call(add(body, "section", id=f"call-{number}"), explanation.target, record)
    return f"<!doctype html>\n{write(html)}\n"


def _style(number: int) -> str:
    rules = [files("ayo_bridge.observe").joinpath("page.css").read_text("utf-8")]
    for i in range(number):
        picked = f"#pick-{i}:checked ~"
        rules.append(
            f"{picked} #call-{i} {{ display: block; }}\n"
            f"{picked} nav label[for=pick-{i}] {{ color: var(--ink); border-color: var(--llm); }}\n"
            f"#pick-{i}:focus-visible ~ nav label[for=pick-{i}] {{ outline: 2px solid; }}\n"
        )
    return "".join(rules)


def _patterns(body: Element) -> None:
    root = svg(0, 0, "", style="position: absolute")
    hatch = add(add(root, "defs"), "pattern", id="hatch", width=5, height=5)
    hatch.attrib.update({"patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"})
    add(hatch, "path", d="M0 0V5", class_="mesh")
    body.append(root)


def _heading(body: Element, explanation: Explanation) -> None:
    header = add(body, "header")
    add(header, "h1", explanation.target)
    add(header, "p", f"accelerated by ayo-bridge, lifted by {explanation.adapter}", class_="soft")
    template = explanation.template
    parts = add(header, "ol", class_="template")
    for number, component in enumerate(template.components):
        if number:
            add(parts, "li", "→", class_="then")
        item = add(parts, "li")
        add(item, "b", component.name)
        says = ", ".join(filter(None, [kind_of(component), details_of(component)]))
        title = ", ".join(engines_of(component))
        add(item, "span", f" {says}", class_="soft", title=title)
    for name, reason in opaque_parts(template, explanation.opaque):
        add(
            header,
            "p",
            f"Left as it is: {name}" + (f" ({reason})" if reason else ""),
            class_="soft",
        )
    for note in explanation.notes:
        add(header, "p", note, class_="notice")


def _picker(body: Element, explanation: Explanation, records: Sequence[CallRecord]) -> None:
    for number in range(len(records)):
        pick = add(body, "input", type="radio", name="call", id=f"pick-{number}", class_="pick")
        if number == len(records) - 1:
            pick.set("checked", "checked")
    if len(records) < 2:
        return
    nav = add(body, "nav")
    for number, record in reversed(list(enumerate(records))):
        says = f"#{number + 1} {record.entry}, {duration(end_of(record) - record.started)}"
        add(nav, "label", says, for_=f"pick-{number}")


def _call(section: Element, target: str, record: CallRecord) -> None:
    _figures(section, record)
    title = add(section, "h2", "Time ")
    add(title, "small", "when engines worked, and when the original stood still")
    _legend(section, record, over_time=True)
    name = f"{target}.{record.entry}"
    add(section, "div", class_="scroll").append(chart(record, f"Time chart of {name}"))
    title = add(section, "h2", "e-graph ")
    add(title, "small", f"{counted(len(record.e_graph), 'primitive')}, after the passes")
    _legend(section, record, over_time=False)
    drawn = draw(record.e_graph, f"e-graph of {name}", record)
    add(section, "div", class_="scroll").append(drawn)
    title = add(section, "h2", "p-graph ")
    add(title, "small", f"{counted(len(record.p_graph), 'primitive')}, before the passes")
    add(section, "div", class_="scroll").append(draw(record.p_graph, f"p-graph of {name}"))
    _decisions(section, record)
    _calls(section, record)


def _figures(section: Element, record: CallRecord) -> None:
    calls = list(record.calls)
    count = Counter(call.outcome for call in calls if not is_own(call))
    own = sum(map(is_own, calls))
    stood = sum(end - start for start, end in waits(record))
    took = end_of(record) - record.started
    lost = count[Outcome.WASTED] + count[Outcome.DROPPED]
    predicted = f"{gain(record.predicted_gain)} predicted" if record.predicted_gain else ""
    figures = [
        (record.entry, duration(took), "failed" if record.error else ""),
        ("waited for engines", duration(stood), f"{stood / took:.0%} of it" if took else ""),
        ("engine time saved", duration(record.measured_gain), predicted),
        ("computed ahead", str(count[Outcome.HIT]), f"of {count[Outcome.HIT] + own} calls"),
        ("unused", str(lost), ""),
    ]
    if count[Outcome.WARM]:
        figures.append(("prefix warms", str(count[Outcome.WARM]), ""))
    parts = add(section, "dl", class_="figures")
    for name, value, more in figures:
        tile = add(parts, "div")
        add(tile, "dt", name)
        add(add(tile, "dd", f"{value} "), "small", more)


def _legend(section: Element, record: CallRecord, *, over_time: bool) -> None:
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
    add(group, "rect", "", place, class_=mark)
    if hatched:
        add(group, "rect", "", place, class_="hatch", fill="url(#hatch)")
    sample.tail = text
    item.append(sample)


def _decisions(section: Element, record: CallRecord) -> None:
    add(add(section, "h2", "Rewrites "), "small", "what the passes did, what they refused, and why")
    table = _table(section, ["pass", "", "primitives", "why", "predicted"], numbers=1)
    for group in grouped(record.decisions):
        row = add(table, "tr")
        add(row, "td", group.name, class_="w")
        add(row, "td", group.verdict, class_="w" if group.applied else "w refused")
        add(row, "td", group.where, class_="id", title="\n".join(group.targets))
        add(row, "td", group.reason)
        add(row, "td", group.predicted, class_="n")
    if not record.decisions:
        add(add(table, "tr"), "td", "none was considered", colspan="5")


def _calls(section: Element, record: CallRecord) -> None:
    details = add(section, "details")
    add(add(details, "summary", "Engine calls "), "small", str(len(record.calls)))
    heads = ["primitive", "engine", "outcome", "tokens", "batch", "started", "took", "waited"]
    table = _table(details, heads, numbers=5)
    for call in list(record.calls):
        row = add(table, "tr")
        add(row, "td", call.primitive, class_="id")
        add(row, "td", call.engine)
        bad = call.outcome in (Outcome.WASTED, Outcome.DROPPED)
        fused = ", fused" if call.fused else ""
        outcome = add(row, "td", call.outcome.value + fused, class_="w bad" if bad else "w")
        if call.error:
            add(outcome, "span", f" {call.error}")
        tokens = f"{call.prompt_tokens} + {call.completion_tokens}"
        started = "never" if call.started is None else duration(call.started - record.started)
        add(row, "td", tokens if call.kind is EngineKind.LLM else "", class_="n")
        add(row, "td", str(call.batch), class_="n")
        add(row, "td", started, class_="n")
        add(row, "td", duration(call.seconds), class_="n")
        add(row, "td", duration(call.waited), class_="n")


def _table(parent: Element, heads: Sequence[str], *, numbers: int) -> Element:
    """An empty table body under the heads; the last ``numbers`` columns hold numbers."""
    table = add(add(parent, "div", class_="scroll"), "table")
    row = add(add(table, "thead"), "tr")
    for i, name in enumerate(heads):
        add(row, "th", name, scope="col", class_="n" if i >= len(heads) - numbers else "")
    return add(table, "tbody")

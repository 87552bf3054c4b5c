"""One self-contained HTML page about the calls of an accelerated object."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from ayo_bridge.observe.decisions import grouped
from ayo_bridge.observe.details import left_alone
from ayo_bridge.observe.drawing import draw
from ayo_bridge.observe.markup import add, add_patterns, write
from ayo_bridge.observe.parts import details_of, engines_of, kind_of, opaque_parts
from ayo_bridge.observe.summary import add_legend, add_time, add_verdict, sheet
from ayo_bridge.observe.waits import end_of, waits
from ayo_bridge.observe.wording import counted, duration, gain, ranges, spread
from ayo_bridge.record.counters import is_own
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall, EngineKind, Outcome

if TYPE_CHECKING:
    from ayo_bridge.observe.explain import Explanation


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
    body = add(html, "body", class_="ayo")
    add_patterns(body)
    _heading(body, explanation)
    _picker(body, explanation, records)
    for number, record in enumerate(records):
        _call(add(body, "section", id=f"call-{number}"), explanation.target, record)
    _parts(body, explanation)
    return f"<!doctype html>\n{write(html)}\n"


def _style(number: int) -> str:
    rules = [sheet("chart.css"), sheet("page.css")]
    for i in range(number):
        picked = f"#pick-{i}:checked ~"
        rules.append(
            f"{picked} #call-{i} {{ display: block; }}\n"
            f"{picked} nav label[for=pick-{i}] {{ color: var(--ink); border-color: var(--llm); }}\n"
            f"#pick-{i}:focus-visible ~ nav label[for=pick-{i}] {{ outline: 2px solid; }}\n"
        )
    return "".join(rules)


def _heading(body: Element, explanation: Explanation) -> None:
    header = add(body, "header")
    add(header, "h1", explanation.target)
    add_verdict(header, explanation.verdict)
    for note in explanation.notes:
        add(header, "p", note, class_="notice")


def _parts(body: Element, explanation: Explanation) -> None:
    template = explanation.template
    details = _details(body, "What it consists of", f"lifted by {explanation.adapter}")
    parts = add(details, "ol", class_="template")
    for number, component in enumerate(template.components):
        if number:
            add(parts, "li", "→", class_="then")
        item = add(parts, "li")
        add(item, "b", component.name)
        says = ", ".join(filter(None, [kind_of(component), details_of(component)]))
        title = ", ".join(engines_of(component))
        add(item, "span", f" {says}", class_="soft", title=title)
    for name, reason in opaque_parts(template, explanation.opaque):
        add(details, "p", left_alone(name, reason), class_="soft")


def _details(parent: Element, title: str, more: str) -> Element:
    """A part that opens when it is asked for."""
    details = add(parent, "details")
    add(add(details, "summary", f"{title} "), "small", more)
    return details


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
    title = add(section, "h2", "Time ")
    add(title, "small", "when engines worked, and when the original stood still")
    add_time(section, target, record)
    _figures(section, record)
    _calls(section, record)
    _graphs(section, f"{target}.{record.entry}", record)
    _decisions(section, record)


def _graphs(section: Element, name: str, record: CallRecord) -> None:
    made = counted(len(record.e_graph), "primitive")
    details = _details(section, "Graphs", f"{made} after the passes")
    add(add(details, "h2", "e-graph "), "small", f"{made}, after the passes")
    add_legend(details, record, over_time=False)
    drawn = draw(record.e_graph, f"e-graph of {name}", record)
    add(details, "div", class_="scroll").append(drawn)
    title = add(details, "h2", "p-graph ")
    add(title, "small", f"{counted(len(record.p_graph), 'primitive')}, before the passes")
    add(details, "div", class_="scroll").append(draw(record.p_graph, f"p-graph of {name}"))


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


def _decisions(section: Element, record: CallRecord) -> None:
    details = _details(section, "Rewrites", "what the passes did, what they refused, and why")
    table = _table(details, ["pass", "", "primitives", "why", "predicted"], numbers=1)
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
    details = _details(section, "Engine calls", str(len(record.calls)))
    heads = ["primitive", "engine", "outcome", "tokens", "batch", "started", "took", "waited"]
    table = _table(details, heads, numbers=5)
    for calls in _alike(list(record.calls)):
        call = calls[0]
        row = add(table, "tr")
        many = f" x {len(calls)}" if len(calls) > 1 else ""
        add(row, "td", ranges([each.primitive for each in calls]) + many, class_="id")
        add(row, "td", call.engine)
        bad = call.outcome in (Outcome.WASTED, Outcome.DROPPED)
        fused = ", fused" if call.fused else ""
        outcome = add(row, "td", call.outcome.value + fused, class_="w bad" if bad else "w")
        if call.error:
            add(outcome, "span", f" {call.error}")
        tokens = (
            f"{sum(c.prompt_tokens for c in calls)} + {sum(c.completion_tokens for c in calls)}"
        )
        started = [c.started - record.started for c in calls if c.started is not None]
        add(row, "td", tokens if call.kind is EngineKind.LLM else "", class_="n")
        add(row, "td", str(call.batch), class_="n")
        add(row, "td", spread(started) if started else "never", class_="n")
        add(row, "td", spread([each.seconds for each in calls]), class_="n")
        add(row, "td", spread([each.waited for each in calls]), class_="n")


def _alike(calls: Sequence[EngineCall]) -> list[list[EngineCall]]:
    """Calls in a row that fared alike together, if there are three of them or more."""

    def kind(call: EngineCall) -> tuple[object, ...]:
        name = re.sub(r"\d+", "#", call.primitive)
        return name, call.engine, call.outcome, call.fused, call.batch, call.error

    runs = [list(run) for _, run in groupby(calls, kind)]
    return [part for run in runs for part in ([run] if len(run) > 2 else [[call] for call in run])]


def _table(parent: Element, heads: Sequence[str], *, numbers: int) -> Element:
    """An empty table body under the heads; the last ``numbers`` columns hold numbers."""
    table = add(add(parent, "div", class_="scroll"), "table")
    row = add(add(table, "thead"), "tr")
    for i, name in enumerate(heads):
        add(row, "th", name, scope="col", class_="n" if i >= len(heads) - numbers else "")
    return add(table, "tbody")

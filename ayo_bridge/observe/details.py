"""Everything that ``explain(x).full()`` tells, in lines."""

from __future__ import annotations

from collections import Counter

from ayo_bridge.graph import Template, picture
from ayo_bridge.observe.decisions import grouped
from ayo_bridge.observe.parts import details_of, engines_of, kind_of, opaque_parts
from ayo_bridge.observe.wording import columns, counted, duration, gain, indented
from ayo_bridge.record.counters import is_own
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import Outcome


def took(record: CallRecord) -> float | None:
    """Seconds from entry to the end of the scope; ``None`` while it lives."""
    return None if record.ended is None else record.ended - record.started


def last_line(record: CallRecord) -> str:
    """What became of the engine calls of the last call, in one line."""
    count = Counter(call.outcome for call in record.calls if not is_own(call))
    own = sum(map(is_own, record.calls))
    made = {
        "made ahead and used": count[Outcome.HIT],
        "by the original itself": own,
        "made ahead and not used": count[Outcome.WASTED] + count[Outcome.DROPPED],
        "prompts begun ahead": count[Outcome.WARM],
    }
    says = ", ".join(f"{number} {text}" for text, number in made.items() if number)
    seconds = took(record)
    time = "still running" if seconds is None else duration(seconds)
    return f"Last call: {record.entry}, {time}; engine calls: {says or 'none'}"


def left_alone(name: str, reason: str) -> str:
    """A part that runs as it is, and why."""
    return f"Left alone: {name}" + (f" ({reason})" if reason else "")


def template_lines(
    template: Template, opaque: tuple[tuple[str, str], ...], learning: tuple[str, ...]
) -> list[str]:
    """The components, what was learned of them, and what is left as it is."""
    lines = ["", "module template"]
    if not template.components:
        said = learning or ("nothing was lifted",)
        lines += [f"  {line}" for line in said]
    previous: str | None = None
    rows = []
    for component in template.components:
        after = [before for before, name in template.edges if name == component.name]
        usual = [previous] if previous is not None else []
        previous = component.name
        engines = ", ".join(engines_of(component))
        order = f"after {', '.join(after) or 'nothing'}" if after != usual else ""
        rows.append((component.name, kind_of(component), engines, details_of(component), order))
    lines += columns(rows) if rows else []
    if template.components:
        lines += [f"  {line}" for line in learning]
    for name, reason in opaque_parts(template, opaque):
        lines.append(f"  left as it is: {name}" + (f" ({reason})" if reason else ""))
    return lines


def call_lines(record: CallRecord) -> list[str]:
    """A call: its graphs, what was rewritten, its engine calls."""
    seconds = took(record)
    time = "still running" if seconds is None else duration(seconds)
    lines = ["", f"last call: {record.entry}, {time}"]
    lines += ["", f"p-graph, {counted(len(record.p_graph), 'primitive')}"]
    lines += indented(picture(record.p_graph))
    if record.e_graph == record.p_graph:
        lines += ["", "e-graph: the same; nothing was rewritten"]
    else:
        lines += ["", f"e-graph, {counted(len(record.e_graph), 'primitive')}"]
        lines += indented(picture(record.e_graph))
    lines += ["", "rewrites", *_rewrites(record)]
    lines += ["", f"engine calls, {len(record.calls)}", *_calls(record)]
    return lines


def _rewrites(record: CallRecord) -> list[str]:
    rows = [(r.verdict, r.name, r.predicted, r.where, r.reason) for r in grouped(record.decisions)]
    warmed = any(call.outcome is Outcome.WARM for call in record.calls)
    return [
        *(columns(rows, right="llr") if rows else ["  none was considered"]),
        f"  predicted gain {gain(record.predicted_gain) or 'unknown'}; "
        f"the original did not wait for {duration(record.measured_gain)} of engine time"
        + (", besides what prefix warms made shorter" if warmed else ""),
    ]


def _calls(record: CallRecord) -> list[str]:
    if not record.calls:
        return ["  none"]
    head = ("primitive", "engine", "outcome", "batch", "waited", "took", "")
    rows = [
        (
            call.primitive,
            call.engine,
            call.outcome.value + (", fused" if call.fused else ""),
            str(call.batch),
            duration(call.waited),
            duration(call.seconds),
            call.error,
        )
        for call in record.calls
    ]
    return columns([head, *rows], right="lllrrr")

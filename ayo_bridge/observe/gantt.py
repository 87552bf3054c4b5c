"""A call's engine calls over time as an SVG chart, one lane an engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from ayo_bridge.observe.lanes import Interval, pack
from ayo_bridge.observe.markup import add, shortened, svg
from ayo_bridge.observe.waits import end_of, wait_of, waits
from ayo_bridge.observe.wording import duration
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall, Outcome

_GUTTER = 190.0
_CHART = 890.0
_RIGHT = 20.0
_TOP = 28.0
_ROW = 21.0
_BAR = 16.0
_BETWEEN = 13.0
_CHARACTER = 6.1
_BOLD_CHARACTER = 7.7
_TICKS = 9


@dataclass(frozen=True, slots=True)
class Bar:
    """Engine calls drawn as one: a single one, or those of one batch that fared alike."""

    calls: Sequence[EngineCall]
    span: Interval

    @property
    def first(self) -> EngineCall:
        """One of them; they ran on one engine, in one batch."""
        return self.calls[0]

    def label(self, width: float) -> str:
        """What is written on it: the component is left out first if room is short."""
        more = f" ×{len(self.calls)}" if len(self.calls) > 1 else ""
        name = self.first.primitive
        if (len(name) + len(more)) * _CHARACTER > width:
            name = name.partition(".")[2] or name
        return shortened(name + more, width, _CHARACTER) if width > 7 * _CHARACTER else ""


def bars(calls: Sequence[EngineCall]) -> list[Bar]:
    """Bars for calls that ran; calls of one batch and outcome share one."""
    together: dict[object, list[EngineCall]] = {}
    for number, call in enumerate(calls):
        if call.started is None or call.ended is None:
            continue
        batch = (call.engine, call.started, call.ended, call.outcome, call.fused)
        together.setdefault(batch if call.batch > 1 else number, []).append(call)
    return [
        Bar(group, (group[0].started or 0.0, group[0].ended or 0.0)) for group in together.values()
    ]


class _Scale:
    """Seconds of the runtime's clock to pixels."""

    def __init__(self, record: CallRecord) -> None:
        calls = list(record.calls)
        self.start = min([record.started, *(call.queued for call in calls)])
        end = max([end_of(record), *(call.ended for call in calls if call.ended is not None)])
        self.seconds = max(end - self.start, 1e-6)
        self.zero = record.started

    def __call__(self, moment: float) -> float:
        return _GUTTER + (moment - self.start) / self.seconds * _CHART

    def ticks(self) -> list[float]:
        """Round numbers of seconds after the call's start, ten of them at most."""
        step = 10.0 ** math.floor(math.log10(self.seconds / _TICKS))
        step *= next(f for f in (1, 2, 5, 10) if self.seconds / (step * f) <= _TICKS)
        first = math.ceil((self.start - self.zero) / step - 1e-9)
        last = math.floor((self.start - self.zero + self.seconds) / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def chart(record: CallRecord, label: str) -> Element:
    """Draw when engines worked for a call, and when the original stood still."""
    scale = _Scale(record)
    calls = list(record.calls)
    lanes: list[tuple[str, list[Bar], list[int]]] = []
    for engine in dict.fromkeys(call.engine for call in calls):
        own = bars([call for call in calls if call.engine == engine])
        lanes.append((engine, own, pack([bar.span for bar in own])))
    rows = [1, *(max(packed, default=0) + 1 for _, _, packed in lanes)]
    height = _TOP + sum(rows) * _ROW + len(rows) * _BETWEEN
    root = svg(_GUTTER + _CHART + _RIGHT, height, label, class_="gantt")
    _axis(root, scale, height)
    y = _TOP + _BETWEEN / 2
    _original(root, record, scale, y)
    y += _ROW + _BETWEEN
    for engine, own, packed in lanes:
        _lane_name(root, engine, y)
        for bar, row in zip(own, packed, strict=True):
            _draw_bar(root, bar, scale, y + row * _ROW)
        y += (max(packed, default=0) + 1) * _ROW + _BETWEEN
    return root


def _axis(root: Element, scale: _Scale, height: float) -> None:
    in_seconds = scale.seconds >= 10
    for tick in scale.ticks():
        x = scale(scale.zero + tick)
        add(root, "path", d=f"M{x:.1f} {_TOP - 6:.1f}V{height:.1f}", class_="grid")
        text = f"{tick:g} s" if in_seconds else f"{tick * 1000:g} ms"
        add(root, "text", text, x=x, y=_TOP - 12, class_="tick", text_anchor="middle")


def _lane_name(root: Element, name: str, y: float) -> None:
    add(root, "path", d=f"M0 {y - _BETWEEN / 2:.1f}H{_GUTTER + _CHART:.1f}", class_="rule")
    text = add(
        root,
        "text",
        shortened(name, _GUTTER - 14, _BOLD_CHARACTER),
        x=_GUTTER - 10,
        y=y + 12,
        class_="lane",
        text_anchor="end",
    )
    add(text, "title", name)


def _original(root: Element, record: CallRecord, scale: _Scale, y: float) -> None:
    _lane_name(root, "original", y)
    end = end_of(record)
    x1, x2 = scale(record.started), scale(end)
    whole = add(root, "rect", x=x1, y=y, width=max(x2 - x1, 2.0), height=_BAR, class_="own", rx=2.0)
    add(whole, "title", f"the original program: {duration(end - record.started)} in all")
    for start, stop in waits(record):
        left, right = scale(start), scale(stop)
        still = add(
            root, "rect", x=left, y=y, width=max(right - left, 1.0), height=_BAR, class_="still"
        )
        at = f"{duration(start - record.started)} to {duration(stop - record.started)}"
        add(still, "title", f"waits for engines: {duration(stop - start)} ({at})")


def _draw_bar(root: Element, bar: Bar, scale: _Scale, y: float) -> None:
    call = bar.first
    x1, x2 = scale(bar.span[0]), scale(bar.span[1])
    names = f"bar k-{call.kind.value} o-{call.outcome.value}"
    group = add(root, "g", class_=names)
    add(group, "title", _tooltip(bar, scale))
    queued = scale(min(c.queued for c in bar.calls))
    if x1 - queued > 1.5:
        add(group, "path", d=f"M{queued:.1f} {y + _BAR / 2:.1f}H{x1:.1f}", class_="queue")
    width = max(x2 - x1, 2.5)
    place = {"x": x1, "y": y, "width": width, "height": _BAR, "rx": 3.0}
    add(group, "rect", "", place, class_="back")
    if call.outcome is Outcome.WARM:
        add(group, "rect", "", place, class_="hatch", fill="url(#hatch)")
    text = bar.label(width - 8)
    if text:
        add(group, "text", text, x=x1 + 5, y=y + 11.5, class_="on")
    waited = [wait for c in bar.calls if (wait := wait_of(c))]
    if waited:
        left = scale(min(start for start, _ in waited))
        add(
            group, "rect", x=left, y=y + _BAR, width=max(x2 - left, 1.0), height=2.0, class_="still"
        )


def _tooltip(bar: Bar, scale: _Scale) -> str:
    call = bar.first
    start, end = (duration(moment - scale.zero) for moment in bar.span)
    lines = [
        ", ".join(dict.fromkeys(c.primitive for c in bar.calls)),
        f"{call.engine}: {call.outcome.value}" + (", fused" if call.fused else ""),
        f"{start} to {end}, {duration(call.seconds)}",
        f"queued {duration(max((c.started or 0.0) - c.queued for c in bar.calls))}, "
        f"the original waited {duration(max(c.waited for c in bar.calls))}",
    ]
    if call.batch > 1:
        lines.append(f"in a batch of {call.batch} calls")
    tokens = sum(c.prompt_tokens for c in bar.calls), sum(c.completion_tokens for c in bar.calls)
    if any(tokens):
        lines.append(f"{tokens[0]} prompt tokens, {tokens[1]} decoded")
    if call.error:
        lines.append(call.error)
    return "\n".join(lines)

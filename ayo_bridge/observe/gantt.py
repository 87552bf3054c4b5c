"""A call's engine calls over time as an SVG chart, one lane an engine."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from ayo_bridge.observe.lanes import Interval, pack
from ayo_bridge.observe.markup import add, add_shape, shortened, svg
from ayo_bridge.observe.waits import end_of, wait_of, waits
from ayo_bridge.observe.wording import duration, ranges, spread
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall, Outcome

_TOP = 28.0
_ROW = 21.0
_BAR = 16.0
_BETWEEN = 13.0
_CHARACTER = 6.1
_BOLD_CHARACTER = 7.7
_NAME = 19.0
_EQUAL = 0.01
"""Bars whose ends differ by this share of the chart at most are as good as equal."""
_ALIKE = 3
"""So many equal bars are drawn as one."""
_MANY = 12
"""Rows of an engine; if there are more, bars of one kind that overlap are drawn as one."""


@dataclass(frozen=True, slots=True)
class _Paper:
    """Where things go, in pixels."""

    gutter: float
    chart: float
    right: float
    above: bool
    """Whether the names of engines stand above their bars instead of beside them."""
    ticks: int

    @property
    def width(self) -> float:
        return self.gutter + self.chart + self.right


_WIDE = _Paper(190.0, 890.0, 20.0, False, 9)
_NARROW = _Paper(4.0, 346.0, 8.0, True, 4)
"""For a telephone: 358 pixels in all."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Engine calls drawn as one: a single one, those of one batch that fared alike, or equal ones
    side by side."""

    calls: Sequence[EngineCall]
    span: Interval

    @property
    def first(self) -> EngineCall:
        """One of them; they ran on one engine and fared alike."""
        return self.calls[0]

    def label(self, width: float) -> str:
        """What is written on it: the component is left out first if room is short."""
        more = f" ×{len(self.calls)}" if len(self.calls) > 1 else ""
        name = ranges([call.primitive for call in self.calls], shown=1)
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


def folded(single: Sequence[Bar], equal: float) -> list[Bar]:
    """The bars, those that are equal drawn as one; all that overlap if there are very many.

    Args:
        equal: seconds by which the ends of equal bars may differ.
    """
    once = _together(
        single, lambda one, bar: all(abs(a - b) <= equal for a, b in zip(one, bar, strict=True))
    )
    if max(pack([bar.span for bar in once]), default=0) < _MANY:
        return once
    return _together(once, lambda one, bar: bar[0] < one[1], least=2)


def _together(
    single: Sequence[Bar], joins: Callable[[Interval, Interval], bool], least: int = _ALIKE
) -> list[Bar]:
    groups: list[list[Bar]] = []
    last: dict[object, list[Bar]] = {}
    for bar in sorted(single, key=lambda bar: bar.span):
        call = bar.first
        kind = (re.sub(r"\d+", "#", call.primitive), call.outcome, call.fused, bool(call.error))
        group = last.get(kind)
        if group is not None and joins(_span(group), bar.span):
            group.append(bar)
        else:
            last[kind] = [bar]
            groups.append(last[kind])
    return [
        bar
        for group in groups
        for bar in (
            [Bar([call for one in group for call in one.calls], _span(group))]
            if len(group) >= least
            else group
        )
    ]


def _span(group: Sequence[Bar]) -> Interval:
    return min(bar.span[0] for bar in group), max(bar.span[1] for bar in group)


class _Scale:
    """Seconds of the runtime's clock to pixels."""

    def __init__(self, record: CallRecord, paper: _Paper) -> None:
        self.paper = paper
        calls = list(record.calls)
        self.start = min([record.started, *(call.queued for call in calls)])
        end = max([end_of(record), *(call.ended for call in calls if call.ended is not None)])
        self.seconds = max(end - self.start, 1e-6)
        self.zero = record.started

    def __call__(self, moment: float) -> float:
        return self.paper.gutter + (moment - self.start) / self.seconds * self.paper.chart

    def ticks(self) -> list[float]:
        """Round numbers of seconds after the call's start, ten of them at most."""
        most = self.paper.ticks
        step = 10.0 ** math.floor(math.log10(self.seconds / most))
        step *= next(f for f in (1, 2, 5, 10) if self.seconds / (step * f) <= most)
        first = math.ceil((self.start - self.zero) / step - 1e-9)
        last = math.floor((self.start - self.zero + self.seconds) / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def charts(record: CallRecord, label: str) -> tuple[Element, Element]:
    """The chart for wide screens and the one for narrow ones; the style sheet shows one."""
    return chart(record, label), chart(record, label, _NARROW)


def chart(record: CallRecord, label: str, paper: _Paper = _WIDE) -> Element:
    """Draw when engines worked for a call, and when the original stood still."""
    scale = _Scale(record, paper)
    calls = list(record.calls)
    lanes: list[tuple[str, list[Bar], list[int]]] = []
    for engine in dict.fromkeys(call.engine for call in calls):
        own = bars([call for call in calls if call.engine == engine])
        own = folded(own, _EQUAL * scale.seconds)
        lanes.append((engine, own, pack([bar.span for bar in own])))
    rows = [1, *(max(packed, default=0) + 1 for _, _, packed in lanes)]
    each = _BETWEEN + (_NAME if paper.above else 0.0)
    height = _TOP + sum(rows) * _ROW + len(rows) * each
    kind = "narrow" if paper.above else "wide"
    root = svg(paper.width, height, label, class_=f"gantt {kind}")
    _axis(root, scale, height)
    y = _lane_name(root, "original", _TOP + _BETWEEN / 2, paper)
    _original(root, record, scale, y)
    y += _ROW + _BETWEEN
    for engine, own, packed in lanes:
        y = _lane_name(root, engine, y, paper)
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
        place = scale.paper.width - 24
        anchor = "end" if x > place else "start" if x < 24 else "middle"
        add(root, "text", text, x=x, y=_TOP - 12, class_="tick", text_anchor=anchor)


def _lane_name(root: Element, name: str, y: float, paper: _Paper) -> float:
    """Write the name of a lane; returns where its first row is."""
    edge = paper.gutter + paper.chart
    add(root, "path", d=f"M0 {y - _BETWEEN / 2:.1f}H{edge:.1f}", class_="rule")
    room, x, anchor = (
        (edge, paper.gutter, "start")
        if paper.above
        else (paper.gutter - 14, paper.gutter - 10, "end")
    )
    says = shortened(name, room, _BOLD_CHARACTER)
    text = add(root, "text", says, x=x, y=y + 12, class_="lane", text_anchor=anchor)
    add(text, "title", name)
    return y + (_NAME if paper.above else 0.0)


def _original(root: Element, record: CallRecord, scale: _Scale, y: float) -> None:
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
    add_shape(group, place, "back", hatched=call.outcome is Outcome.WARM)
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
    many = f" ×{len(bar.calls)}" if len(bar.calls) > 1 else ""
    lines = [
        ranges([c.primitive for c in bar.calls]) + many,
        f"{call.engine}: {call.outcome.value}" + (", fused" if call.fused else ""),
        f"{start} to {end}, {spread([c.seconds for c in bar.calls])}",
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

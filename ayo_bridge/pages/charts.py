"""Charts of the results pages: one colour one meaning, each as wide as the box it stands in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt

Spec = Mapping[str, Any]
"""A Vega-Lite chart as plain data."""

COLOURS: Final = {
    # Systems. What the paper calls Ayo has all passes and topology-aware batching.
    "LlamaDist": "#8a8f98",
    "LlamaDistPC": "#3b75af",
    "AutoGen": "#9b6bb3",
    "Ayo": "#ef8636",
    "ours": "#2a9d4a",
    "accelerated": "#2a9d4a",
    "original": "#6f7782",
    "bound": "#1b1f24",
    "at best": "#1b1f24",
    # The paper's system with fewer passes.
    "none": "#b79f73",
    "passes 2 and 4": "#7d5a2c",
    "passes 1 and 3": "#d1495b",
    "passes 1, 2 and 4": "#7a2f45",
    "all": "#ef8636",
    # The paper's passes under other policies.
    "per_invocation": "#7cc5c0",
    "throughput": "#17807e",
    "topology": "#ef8636",
    "critical_path": "#1d4e66",
    # Where the time of a query goes.
    "execution": "#cfd5dd",
    "queueing": "#e3bf3c",
    "communication": "#58b7dd",
    "graph work": "#df6fa5",
    # Routers between replicas.
    "round robin": "#b5a9a0",
    "least outstanding": "#5f7fb8",
    "cache-aware": "#c9930a",
    "least delay": "#6a4c93",
    "prefix": "#2a9d4a",
}
"""By what is drawn. A name that is not here has no colour: give it one."""
HERE: Final = "here"
PAPER: Final = "in the paper"
CONFIG: Final[Spec] = {
    "font": "system-ui, -apple-system, 'Segoe UI', sans-serif",
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "gridColor": "#e4e7ec",
        "labelColor": "#5c646e",
        "labelFontSize": 11,
        "tickColor": "#c3c9d1",
        "titleColor": "#5c646e",
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "text": {"fontSize": 11, "fontWeight": 600},
    "axisY": {"ticks": False, "labelPadding": 6},
}
"""What all charts have in common."""
_INK: Final = "#1b1f24"
_LINES_HIGH: Final = 210
_BAR_HIGH: Final = 22
_ROOM: Final = 0.27
"""Of a ratio axis, to the right of the largest: for the figures."""
_ROOM_OF_SECONDS: Final = 1.35
_FLUSH: Final = 30
"""Pixels from the end of an axis within which a figure is moved inwards."""


def system(arm: str) -> str:
    """What has the colour of an arm: ``LlamaDist+PO`` is LlamaDist."""
    return arm.partition("+")[0]


def ordered(arms: Iterable[str]) -> list[str]:
    """Arms as their systems stand in :data:`COLOURS`."""
    places = list(COLOURS)
    return sorted(arms, key=lambda arm: (places.index(system(arm)), arm))


@dataclass(frozen=True, slots=True)
class Curve:
    """Values over a chart's x values; ``notes`` are told where a point is pointed at."""

    label: str
    values: Sequence[float]
    paper: bool = False
    notes: Sequence[str] = ()


def lines(
    xs: Sequence[float],
    curves: Sequence[Curve],
    *,
    x: str = "requests/s",
    unit: str = " s",
    doubling: bool = False,
) -> Spec:
    """Curves over numbers: dashed if they are the paper's, thin and without points if a bound.

    ``doubling``: numbers that are twice as large are as far apart everywhere.
    """
    domain = [min(xs), max(xs)] if doubling else [0, max(xs)]
    rows = [
        {
            "x": at,
            "y": round(value, 3),
            "label": curve.label,
            "where": PAPER if curve.paper else HERE,
            "note": curve.notes[i] if curve.notes else curve.label,
        }
        for curve in curves
        for i, (at, value) in enumerate(zip(xs, curve.values, strict=True))
    ]
    base = _of(rows).encode(
        x=alt.X(
            "x:Q",
            title=x,
            scale=alt.Scale(type="log" if doubling else "linear", domain=domain, nice=False),
            axis=alt.Axis(
                values=list(xs), grid=False, format="~g", labelOverlap="greedy", labelSeparation=6
            ),
        ),
        y=alt.Y(
            "y:Q",
            title=None,
            axis=alt.Axis(tickCount=5, labelExpr=f"format(datum.value, ',~r') + '{unit}'"),
        ),
        color=_colour("label", [curve.label for curve in curves]),
    )
    drawn = base.mark_line().encode(
        strokeDash=alt.StrokeDash(
            "where:N", scale=alt.Scale(domain=[HERE, PAPER], range=[[1, 0], [5, 4]]), legend=None
        ),
        strokeWidth=alt.condition("datum.label == 'bound'", alt.value(1.2), alt.value(2)),
    )
    points = (
        base.transform_filter("datum.label != 'bound'")
        .mark_point(filled=True, opacity=1)
        .encode(
            size=alt.condition(f"datum.where == '{HERE}'", alt.value(30), alt.value(12)),
            tooltip=[
                alt.Tooltip("note:N", title="arm"),
                alt.Tooltip("where:N", title="measured"),
                alt.Tooltip("x:Q", title=x, format="~g"),
                alt.Tooltip("y:Q", title=unit.strip(), format=",.4~r"),
            ],
        )
    )
    return _wide(drawn + points, _LINES_HIGH)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A speed-up in a row of a chart: a series' point, and what it is of."""

    row: str
    series: str
    value: float
    what: str


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one kind, below each other in every row: rings if they are the paper's."""

    name: str
    label: str
    """Whose colour they have."""
    paper: bool = False


def ratios(points: Sequence[Ratio], means: Sequence[Ratio], series: Sequence[Series]) -> Spec:
    """Speed-ups as points in rows, with a bar and a figure for each row's mean."""
    rows = list(dict.fromkeys(point.row for point in points))
    paper = {each.name for each in series if each.paper}
    values = [
        {
            "row": p.row,
            "series": p.series,
            "value": round(p.value, 3),
            "what": p.what,
            "mean": mean,
            "paper": p.series in paper,
        }
        for mean, each in ((False, points), (True, means))
        for p in each
    ]
    found = [point.value for point in points]
    base = _of(values).encode(
        x=_times([1.0, *found]),
        y=alt.Y("row:N", sort=rows, title=None, axis=alt.Axis(labelLimit=140)),
        yOffset=alt.YOffset("series:N", sort=[each.name for each in series]),
        color=_colour("series", [s.name for s in series], [COLOURS[s.label] for s in series]),
        tooltip=[
            alt.Tooltip("what:N", title="of"),
            alt.Tooltip("series:N", title="speed-up"),
            alt.Tooltip("value:Q", title="times", format=".2f"),
        ],
    )
    dots = base.transform_filter("!datum.mean")
    here = dots.transform_filter("!datum.paper")
    theirs = dots.transform_filter("datum.paper")
    mean = base.transform_filter("datum.mean")
    chart = alt.layer(
        _even(),
        here.mark_point(filled=True, size=42, opacity=0.45),
        theirs.mark_point(filled=False, size=34, opacity=0.7),
        mean.mark_tick(thickness=3, size=15, opacity=1),
        _figures(mean, "x")
        .mark_text(align="right", color=_INK)
        .encode(x=alt.value("width"), color=alt.value(_INK)),
    )
    return _wide(chart, (16 * len(series) + 14) * len(rows))


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its value, and what could be reached at best, if known."""

    name: str
    value: float
    label: str
    """Whose colour it has."""
    best: float | None = None


def speedups(bars: Sequence[Bar], others: Sequence[float] = ()) -> Spec:
    """Ratios as bars from 1x, with a black tick at the best possible.

    The axis has room for the ``others`` too: those of charts that are to have the same one.
    """
    values = [_bar_row(bar) for bar in bars]
    found = [v for bar in bars for v in (bar.value, bar.best, *others) if v is not None]
    base = _of(values).encode(x=_times([1.0, *found]), y=_names(bars))
    tooltip = [
        alt.Tooltip("name:N", title="application"),
        alt.Tooltip("value:Q", title="times", format=".2f"),
        alt.Tooltip("best:Q", title="at best", format=".2f"),
    ]
    chart = alt.layer(
        base.mark_bar(height={"band": 0.62}).encode(
            x2=alt.datum(1.0), color=_colour("label", [b.label for b in bars]), tooltip=tooltip
        ),
        _even(),
        base.transform_filter("isValid(datum.best)")
        .mark_tick(thickness=2.5, size=16, color=COLOURS["bound"])
        .encode(x="best:Q", tooltip=tooltip),
        _figures(base, "x").mark_text(align="right", color=_INK).encode(x=alt.value("width")),
    )
    return _wide(chart, _BAR_HIGH * len(bars) + 26)


def seconds(bars: Sequence[Bar], *, flush: bool = False) -> Spec:
    """Seconds as bars from 0, with a black tick at the bound.

    ``flush``: figures at the ends of the axis stay within it, where names leave it little room.
    """
    values = [_bar_row(bar) for bar in bars]
    most = max(v for bar in bars for v in (bar.value, bar.best) if v is not None)
    base = _of(values).encode(
        x=alt.X(
            "value:Q",
            title=None,
            scale=alt.Scale(domain=[0, most * _ROOM_OF_SECONDS], nice=False),
            axis=alt.Axis(
                tickCount=4,
                labelExpr="format(datum.value, ',~r') + ' s'",
                labelFlush=_FLUSH if flush else alt.Undefined,
            ),
        ),
        y=_names(bars),
    )
    chart = alt.layer(
        base.mark_bar(height={"band": 0.62}).encode(
            color=_colour("label", [bar.label for bar in bars]),
            tooltip=[
                alt.Tooltip("name:N", title="of"),
                alt.Tooltip("value:Q", title="s", format=".2f"),
            ],
        ),
        base.transform_filter("isValid(datum.best)")
        .mark_tick(thickness=2.5, size=16, color=COLOURS["bound"])
        .encode(x="best:Q"),
        _figures(base, " s").mark_text(align="left", dx=5, color=_INK),
    )
    return _wide(chart, _BAR_HIGH * len(bars) + 26)


def shares(bars: Mapping[str, Mapping[str, float]]) -> Spec:
    """Bars that add up to 100 %, one below the other."""
    parts = list(dict.fromkeys(part for bar in bars.values() for part in bar))
    values = [
        {"name": name, "part": part, "share": share, "order": parts.index(part)}
        for name, bar in bars.items()
        for part, share in bar.items()
    ]
    base = _of(values).encode(
        x=alt.X(
            "share:Q",
            title=None,
            stack="zero",
            scale=alt.Scale(domain=[0, 100], clamp=True, nice=False),
            axis=alt.Axis(values=[0, 25, 50, 75, 100], labelExpr="datum.label + ' %'"),
        ),
        y=alt.Y("name:N", sort=list(bars), title=None, axis=alt.Axis(labelLimit=160)),
        order="order:Q",
    )
    chart = base.mark_bar(height={"band": 0.72}).encode(
        color=_colour("part", parts),
        tooltip=[
            alt.Tooltip("name:N", title="of"),
            alt.Tooltip("part:N"),
            alt.Tooltip("share:Q", title="%", format=".1f"),
        ],
    )
    return _wide(chart, _BAR_HIGH * len(bars) + 26)


def _bar_row(bar: Bar) -> Spec:
    return {
        "name": bar.name,
        "label": bar.label,
        "value": round(bar.value, 3),
        "best": bar.best,
    }


def _names(bars: Sequence[Bar]) -> alt.Y:
    return alt.Y(
        "name:N", sort=[bar.name for bar in bars], title=None, axis=alt.Axis(labelLimit=170)
    )


def _figures(base: alt.Chart, unit: str) -> alt.Chart:
    """The value of each row, in figures."""
    written = base.transform_calculate(written=f"format(datum.value, '.2f') + '{unit}'")
    return written.encode(text="written:N")


def _times(found: Sequence[float]) -> alt.X:
    """Ratios on a logarithmic axis: twice as fast is as far from 1x as half as fast."""
    least, most = min(found) * 0.97, max(found) * 1.03
    domain = [least, most * (most / least) ** _ROOM]
    steps = [0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 8, 12, 20]
    ticks = [step for step in steps if domain[0] <= step <= most]
    return alt.X(
        "value:Q",
        title=None,
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(values=ticks, format="~g", labelExpr="datum.label + 'x'"),
    )


def _even() -> alt.Chart:
    """The line at 1x."""
    rule: alt.Chart = _of([{"even": 1}]).mark_rule(color="#8a8f98", strokeWidth=1)
    return rule.encode(x="even:Q")


def _colour(field: str, names: Sequence[str], colours: Sequence[str] = ()) -> alt.Color:
    known = list(dict.fromkeys(names))
    scale = alt.Scale(domain=known, range=list(colours) or [COLOURS[name] for name in known])
    return alt.Color(f"{field}:N", scale=scale, legend=None)


def _of(rows: Sequence[Spec]) -> alt.Chart:
    """A chart of rows, which it brings along."""
    return alt.Chart(alt.InlineData(values=list(rows)))


def _wide(chart: Any, height: float) -> Spec:
    """The chart as plain data, as wide as what it stands in."""
    whole = chart.properties(
        width="container",
        height=height,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        padding=4,
    )
    made: dict[str, Any] = whole.to_dict()
    made.pop("config", None)  # The page has one for all.
    return made

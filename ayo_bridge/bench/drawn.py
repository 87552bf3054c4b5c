"""What the page of a report consists of: its charts and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ayo_bridge.bench.arms import LEFT_OUT
from ayo_bridge.bench.conditions import sentence
from ayo_bridge.bench.figures import ArmFigures, LoadFigures
from ayo_bridge.bench.report import ONE_USER, Report, times
from ayo_bridge.bench.statistics import Figure
from ayo_bridge.bench.text import ingested
from ayo_bridge.observe.wording import counted, duration
from ayo_bridge.pages.charts import Bar, Curve, lines, seconds, speedups
from ayo_bridge.pages.content import Mark, Plot, Section, Table, Tile, keys
from ayo_bridge.pages.page import render

TEMPLATE: Final = Path(__file__).parent / "bench.html.j2"
_BEFORE: Final = "original"
_AFTER: Final = "accelerated"
_BEST: Final = "at best"
_DIFFERENCES: Final = ("question", "what differs", "original", "accelerated")


def page(report: Report) -> str:
    """The page: figures to read first, then a section for each kind of them."""
    sections = [_times(report), _latencies(report), _sweep(report.loads), _where(report)]
    sections += [_others(report), _left_out(report), _engines(report), _differing(report)]
    found = [each for each in sections if each is not None]
    return render(
        TEMPLATE,
        title=f"{report.said.target}: as it is and accelerated",
        figures=_tiles(report),
        summary=found[:1],
        sections=found[1:],
        report=report,
        machine=sentence(report.said.conditions),
        rounds=", ".join(
            f"{counted(number, 'round')} at {load}" for load, number in report.said.rounds.items()
        ),
    )


def _tiles(report: Report) -> list[Tile]:
    tiles = []
    for load in report.loads[:3]:
        if load.ratio.latency is not None:
            value, _, within = times(load.ratio.latency).partition(" ")
            at = f"at {load.load}" if report.said.corpus is None else "in ingesting"
            tiles.append(Tile(value, f"times as fast {at} {within}".strip()))
    if report.path.bound is not None:
        share = f"{report.path.bound.share:.0%}"
        tiles.append(Tile(share, "of what the data dependencies allow, at one user"))
    same = "the same" if not report.differs else "DIFFERENT"
    tiles.append(Tile(same, report.identity.line))
    return tiles


def _best(report: Report, load: LoadFigures) -> float | None:
    """Times as fast as the data dependencies allow; known at one user only."""
    if load.load != ONE_USER or report.path.bound is None or load.ratio.latency is None:
        return None
    return load.ratio.latency.value / report.path.bound.share


def _times(report: Report) -> Section | None:
    bars = [
        Bar(load.load, load.ratio.latency.value, _AFTER, _best(report, load))
        for load in report.loads
        if load.ratio.latency is not None
    ]
    if not bars:
        return None
    ends = [
        end
        for load in report.loads
        if (found := load.ratio.latency) is not None
        for end in (found.low, found.high)
        if end is not None
    ]
    rows = [
        (load.load, _ratio(load.ratio.latency), _ratio(load.ratio.first), _rate(load))
        for load in report.loads
    ]
    return Section(
        "Times as fast as the original",
        says="The median over pairs of calls that asked the same in the same turn. At best is "
        "what the data dependencies allow: the longest chain of engine calls that need each "
        "other's answers, and the application's own code.",
        legend=[*keys([_AFTER], Mark.BAR), *keys([_BEST], Mark.TICK)],
        plots=[Plot("Latency of the original / accelerated", speedups(bars, ends))],
        tables=[Table(("load", "latency (95 %)", "first token (95 %)", "throughput (95 %)"), rows)],
        wide=True,
    )


def _latencies(report: Report) -> Section | None:
    plots = []
    for load in report.loads:
        labels = (_BEFORE, _AFTER)
        for name in ("p50", "p95", "p99"):
            found = [arm.latency.get(name) for arm in load.arms[:2]]
            bars = [
                Bar(arm.arm, figure.value, label)
                for arm, figure, label in zip(load.arms[:2], found, labels, strict=True)
                if figure is not None
            ]
            if len(bars) == len(labels):
                plots.append(Plot(f"{load.load}: {name}", seconds(bars, flush=True)))
    if not plots:
        return None
    if report.said.corpus is not None:
        tables = [_ingested(report)]
        return Section("Runs", legend=keys([_BEFORE, _AFTER], Mark.BAR), plots=plots, tables=tables)
    head = ("load, arm", "p50 (95 %)", "p95 (95 %)", "p99 (95 %)", "first p50 (95 %)", "first p99")
    rows = [_row(load, arm) for load in report.loads for arm in load.arms]
    return Section(
        "Latency",
        legend=keys([_BEFORE, _AFTER], Mark.BAR),
        plots=plots,
        tables=[Table((*head, "calls/s", "CPU a call", "calls", "raised"), rows)],
    )


def _ingested(report: Report) -> Table:
    head = (
        "arm",
        "a run (95 %)",
        "documents/s",
        "chunks/s",
        "memory",
        "CPU a run",
        "runs",
        "raised",
    )
    rows = [
        (
            arm.arm,
            _seconds(arm.latency.get("p50")),
            *ingested(report, arm),
            str(arm.calls),
            str(arm.errors),
        )
        for load in report.loads
        for arm in load.arms
    ]
    return Table(head, rows)


def _row(load: LoadFigures, arm: ArmFigures) -> tuple[str, ...]:
    return (
        f"{load.load}, {arm.arm}",
        *(_seconds(arm.latency.get(name)) for name in ("p50", "p95", "p99")),
        _seconds(arm.first.get("p50")),
        _seconds(arm.first.get("p99")),
        "" if arm.throughput is None else f"{arm.throughput.value:.2f}",
        _seconds(arm.cpu),
        str(arm.calls),
        str(arm.errors),
    )


def _sweep(loads: Sequence[LoadFigures]) -> Section | None:
    """Latency over the rates of arrivals, where there are several."""
    found = sorted(
        (float(load.load.removesuffix("/s")), load)
        for load in loads
        if load.open and load.load.endswith("/s")
    )
    if len(found) < 2:
        return None
    rates = [rate for rate, _ in found]
    plots = []
    for name in ("p50", "p95"):
        curves = []
        for at, label in enumerate((_BEFORE, _AFTER)):
            figures = [load.arms[at].latency.get(name) for _, load in found]
            values = [figure.value for figure in figures if figure is not None]
            if len(values) == len(rates):
                curves.append(Curve(label, values))
        if curves:
            plots.append(Plot(f"{name} over arrivals", lines(rates, curves)))
    return Section(
        "Arrivals",
        says="Latency from when a call was due, over calls a second that arrive (Poisson).",
        legend=keys([_BEFORE, _AFTER]),
        plots=plots,
    )


def _where(report: Report) -> Section | None:
    path = report.path
    if not path.stood:
        return None
    bars = [Bar(each.what, each.seconds, _AFTER) for each in path.stood]
    bars.append(Bar("your code and the framework's", path.own, _BEFORE))
    title = "Mean seconds for which an accelerated call stands still"
    return Section(
        "On the critical path, at one user",
        says=" ".join(report.advice),
        plots=[Plot(title, seconds(bars, flush=True))],
        wide=True,
    )


def _others(report: Report) -> Section | None:
    """Further arms against the first."""
    first, second, *others = report.said.arms
    plots = _compared(
        report,
        {second: second} | {arm: arm for arm in others if not arm.startswith(LEFT_OUT)},
        f"times as fast as {first}",
    )
    return Section("All arms", plots=plots) if plots else None


def _left_out(report: Report) -> Section | None:
    second, *others = report.said.arms[1:]
    without = {arm: arm.removeprefix(LEFT_OUT) for arm in others if arm.startswith(LEFT_OUT)}
    labels = {second: "nothing"} | without
    plots = _compared(report, labels, "times as fast as the original, without")
    if not plots:
        return None
    return Section(
        "Each pass left out", says="What is left of the speed-up without it.", plots=plots
    )


def _compared(report: Report, labels: dict[str, str], says: str) -> list[Plot]:
    """The second arm and others beside it, by the names they are shown under; one is none."""
    plots = []
    for load in report.loads if len(labels) > 1 else ():
        found = {report.said.arms[1]: load.ratio, **load.others}
        bars = [
            Bar(label, figure.value, _AFTER)
            for arm, label in labels.items()
            if (figure := found[arm].latency) is not None
        ]
        plots.append(Plot(f"{load.load}: {says}", speedups(bars)))
    return plots


def _engines(report: Report) -> Section | None:
    loads = report.loads
    used = [(f"original, {ONE_USER}", report.path.original)]
    used += [(load.load, load.work.engines) for load in loads]
    rows = [
        (
            f"{load}, {each.engine}",
            str(each.calls),
            f"{each.busy:.0%}",
            f"{each.in_flight:.1f}",
            f"{each.batch:.1f}" if each.batch else "",
        )
        for load, engines in used
        for each in engines
    ]
    if not rows:
        return None
    ahead = [
        (
            load.load,
            str(load.work.needed),
            str(load.work.ahead),
            str(load.work.wasted + load.work.failed),
            str(load.work.cancelled),
            str(load.work.warms),
        )
        for load in loads
    ]
    return Section(
        "Engines",
        says="Busy is the share of the time in which an engine had a call of this process; at once "
        "is how many it had on average. The original's are of the calls that were compared; all "
        "else is of the accelerated object.",
        tables=[
            Table(("load, engine", "calls", "busy", "at once", "batch"), rows),
            Table(
                ("load", "calls needed", "made ahead", "in vain", "cancelled", "begun ahead"), ahead
            ),
        ],
    )


def _differing(report: Report) -> Section | None:
    found = report.identity.differences
    rows = [(each.question, each.what, each.original, each.accelerated) for each in found]
    if not rows:
        return None
    return Section("What differs", tables=[Table(_DIFFERENCES, rows)])


def _seconds(figure: Figure | None) -> str:
    if figure is None:
        return ""
    if figure.low is None or figure.high is None:
        return duration(figure.value)
    return f"{duration(figure.value)} ({duration(figure.low)}-{duration(figure.high)})"


def _ratio(figure: Figure | None) -> str:
    return "" if figure is None else times(figure)


def _rate(load: LoadFigures) -> str:
    return _ratio(load.ratio.throughput)


__all__ = ["page"]

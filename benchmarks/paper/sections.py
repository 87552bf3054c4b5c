"""What else is on the page: prefills, contention, Fig. 9 and 12, Table 3, bounds, a real trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from markupsafe import Markup

from ayo_bridge.pages.charts import Bar, Curve, lines, ordered, seconds, shares, system
from ayo_bridge.pages.content import Mark, Plot, Section, Table, keys
from benchmarks.paper.latency import BOUND, NAMES, better
from benchmarks.paper.schemes import OURS, PAPER
from benchmarks.paper.targets import apps

Json = dict[str, Any]
GRAPH: Final = "graph work"
PREFILLS: Final = ("partial", "full", "single")


def with_findings(section: Section, said: Sequence[Markup]) -> Section:
    """The section with what came of it."""
    return replace(section, findings=said)


def _titled(key: str) -> str:
    """``advanced/TruthfulQA/7B`` in words."""
    app, *rest = key.split("/")
    return ", ".join([NAMES[app], *rest])


def prefills(made: Json) -> Section:
    """Tokens that are prefilled for a query."""
    rates = made["rates"]
    plots = [
        Plot(
            _titled(name), lines(rates, [Curve(system(arm), v) for arm, v in arms.items()], unit="")
        )
        for name, arms in made["tokens"].items()
    ]
    rows = [
        (f"{_titled(name)}: {arm}", *(f"{tokens:.0f}" for tokens in values))
        for name, arms in made["tokens"].items()
        for arm, values in arms.items()
    ]
    head = ("workload and arm", *(f"{rate:g}/s" for rate in rates))
    arms = dict.fromkeys(
        system(arm) for arm in ordered({arm for each in made["tokens"].values() for arm in each})
    )
    return Section(
        "Prompt tokens that are prefilled for a query, 7B",
        says="The same prompts in every arm. What is above the lowest line was prefilled twice.",
        legend=keys(arms),
        plots=plots,
        tables=[Table(head, rows, "Tokens", folded=True)],
    )


def contention(made: Json) -> Section:
    """The engines there are, and an instance for every query."""
    heads = [f"{rate:g}/s{more}" for rate in made["rates"] for more in ("", ", to spare")]
    tables = []
    for dataset, arms in made["datasets"].items():
        rows = [
            (arm, *(f"{s:.2f}" for pair in zip(*arms[arm].values(), strict=True) for s in pair))
            for arm in ordered(arms)
        ]
        tables.append(Table(("arm", *heads), rows, f"{dataset}: mean latency (s)"))
    return Section("Advanced RAG, 7B, with engines to spare", tables=tables)


def fig9(made: Json) -> Section:
    """Two apps on the same engines."""
    arms: Json = {arm: made["arms"][arm] for arm in ordered(made["arms"])}
    names = list(next(iter(arms.values())))
    plots = [
        Plot(
            f"{NAMES[app]}: mean latency",
            seconds([Bar(arm, arms[arm][app]["mean"], system(arm)) for arm in arms]),
        )
        for app in names
    ]
    rows = [
        (
            arm,
            *(f"{arms[arm][app]['mean']:.2f}" for app in names),
            *(f"{arms[arm][app]['mean'] / arms[OURS][app]['mean']:.2f}x" for app in names),
        )
        for arm in arms
    ]
    head = ("arm", *(f"{app}, s" for app in names), *(f"{app}: ours" for app in names))
    return Section(
        f"Fig. 9: naive and advanced RAG together, {made['rate']:g} requests/s each, "
        f"{made['core']} (scaled)",
        legend=keys(dict.fromkeys(map(system, arms)), Mark.BAR),
        plots=plots,
        tables=[Table(head, rows, "In figures, and how many times as fast ours is", folded=True)],
    )


def fig12(made: Json) -> Section:
    """Where the time goes."""
    parts = [name for name in made["shares"][PAPER][0] if name != "seconds"]
    bars: dict[str, dict[str, float]] = {}
    for i, rate in enumerate(made["rates"]):
        for arm in (OURS, PAPER):
            point = made["shares"][arm][i]
            bars[f"{rate:g}/s  {arm}"] = {name: point[name] for name in parts}
        bars[f"{rate:g}/s  {PAPER}, the paper"] = {
            **{name: made["paper"][name][i] for name in parts},
            GRAPH: made["paper"]["graph"][i],
        }
    graph = made["graph_ms"]
    return Section(
        "Fig. 12: where the time goes, advanced RAG, TruthfulQA, 7B",
        says="Shares of a query's latency. Graph work is real time, not virtual, and too short to "
        f"see here: {graph['first']:.2f} ms for a graph of a new shape, "
        f"{graph['seen_before']:.3f} ms for one seen before, on the machine that ran this.",
        legend=keys((*parts, GRAPH), Mark.BAR),
        plots=[Plot("Share of the latency, by requests/s", shares(bars))],
        wide=True,
    )


def table3(made: Json) -> Section:
    """A prefill in one and in two parts."""
    rows = [
        (
            f"{row['partial']} + {row['full']}",
            *(f"{row['ms'][n]:.0f} ({row['paper_ms'][n]:.0f})" for n in PREFILLS),
            f"{row['slower']:+.1%} ({row['paper_slower']:+.1%})",
            f"{row['critical']:.1%} ({row['paper_critical']:.1%})",
        )
        for row in made["rows"]
    ]
    head = ("tokens", *(f"{name}, ms" for name in PREFILLS), "slower", "saved late")
    return Section(
        "Table 3: a prefill in one and in two parts, 7B",
        says="In brackets the paper's.",
        tables=[Table(head, rows)],
    )


def bounds(made: Json) -> Section:
    """A single query and what no schedule can beat."""
    found = apps(made)
    bars = [
        Bar(_titled(name), each["ours"], OURS, best=round(each["bound"], 3))
        for name, each in found.items()
    ]
    rows = [
        (
            _titled(name),
            f"{each['critical_path']:.3f}",
            f"{max(each['work'].values(), default=0.0):.3f}",
            f"{each['ours']:.3f}",
            f"{each['ours'] / each['bound']:.3f}x",
        )
        for name, each in found.items()
    ]
    head = ("app", "critical path, s", "busiest engine, s", "ours, s", "ours over bound")
    return Section(
        "A single query and its bound",
        legend=[*keys([OURS], Mark.BAR), *keys([BOUND], Mark.TICK)],
        plots=[Plot("Seconds of a query alone", seconds(bars))],
        tables=[Table(head, rows, "In figures", folded=True)],
        wide=True,
    )


def trace(made: Json) -> Section:
    """A real trace at three loads."""
    points = made["points"]
    names = list(points[0]["arms"])
    means = {arm: [point["arms"][arm]["mean"] for point in points] for arm in names}
    curves = list(better(means))
    loads = [point["utilisation"] for point in points]
    tables = [
        Table(
            ("arm", "mean", "p50", "p95", "p99", "first token"),
            [
                (
                    arm,
                    *(f"{found[n]:.2f}" for n in ("mean", "p50", "p95", "p99", "first_token")),
                )
                for arm, found in ((arm, point["arms"][arm]) for arm in ordered(point["arms"]))
            ],
            f"Utilisation {point['utilisation']:g}, seconds",
            folded=True,
        )
        for point in points
    ]
    return Section(
        f"A real trace: {made['queries']} requests of RAGPulse, advanced RAG, 7B",
        says=f"Utilisation 1 is {made['capacity']:.2f} requests/s, what LlamaDist+TO can do.",
        legend=keys(each.label for each in curves),
        plots=[Plot("Mean latency by utilisation", lines(loads, curves, x="utilisation"))],
        tables=tables,
        wide=True,
    )

"""Fig. 8, 10 and 11 on the page: latency by request rate, here and in the paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from ayo_bridge.pages.charts import Curve, lines, ordered, system
from ayo_bridge.pages.content import Key, Mark, Plot, Section, Table, keys
from benchmarks.paper import ratios
from benchmarks.paper.schemes import BASELINES, OURS, PAPER, SCHEMES

Json = dict[str, Any]
NAMES: Final = {
    "search": "Search-engine generation",
    "naive": "Naive RAG",
    "advanced": "Advanced RAG",
    "contextual": "Contextual retrieval",
}
SYSTEMS: Final = tuple(dict.fromkeys(system(arm) for arm in BASELINES))
PAPER_KEY: Final = Key("in the paper", "#5c646e", Mark.DASHED)
BOUND: Final = "bound"


def name_of(panel: Json) -> str:
    """A panel in words."""
    scaled = " (scaled)" if panel["scaled"] else ""
    return f"{NAMES[panel['app']]}, {panel['dataset']}, {panel['core']}{scaled}"


def better(arms: Mapping[str, Sequence[float]], *, paper: bool = False) -> Iterator[Curve]:
    """A curve a system, of the better of its policies at each rate; others as they are."""
    systems: dict[str, list[str]] = {}
    for arm in ordered(arms):
        systems.setdefault(system(arm), []).append(arm)
    for name, policies in systems.items():
        best = [
            min(((arms[arm][i], arm) for arm in policies), key=lambda pair: pair[0])
            for i in range(len(arms[policies[0]]))
        ]
        yield Curve(name, [value for value, _ in best], paper, [arm for _, arm in best])


def fig8(panels: Sequence[Json]) -> Section:
    """Every panel with the paper's curves on the same axes."""
    return Section(
        "Fig. 8: mean latency by request rate",
        says="Solid lines are measured here, dashed ones are the paper's (digitised, within 2 %). "
        "Of each baseline the better policy at each rate is shown. The bound is what no schedule "
        "can beat.",
        legend=[*keys((*SYSTEMS, PAPER, OURS, BOUND)), PAPER_KEY],
        plots=[Plot(name_of(panel), _panel(panel)) for panel in panels],
        tables=[*_speedups(panels), _calibration(panels), _every_arm(panels)],
    )


def _panel(panel: Json) -> Mapping[str, Any]:
    here = {arm: ratios.means(panel, arm) for arm in SCHEMES}
    curves = [*better(panel["paper"], paper=True), *better(here), Curve(BOUND, panel["bound"])]
    return lines(panel["rates"], curves)


def _speedups(panels: Sequence[Json]) -> list[Table]:
    """A table for each of those that ours is compared with."""
    over: Mapping[str, Callable[[Json], list[float]]] = {
        "LlamaDist": ratios.over_llamadist,
        "the best baseline at each rate": ratios.over_best_baseline,
        "the paper's own system": ratios.over_paper_system,
    }
    head = ("panel", *(f"{rate:g}/s" for rate in panels[0]["rates"]))
    return [
        Table(
            head,
            [(name_of(panel), *(f"{v:.2f}x" for v in values(panel))) for panel in panels],
            f"Speed-up of ours over {what}",
            folded=True,
        )
        for what, values in over.items()
    ]


def _calibration(panels: Sequence[Json]) -> Table:
    rows = [
        (
            f"{NAMES[panel['app']]}, {panel['dataset']}",
            f"{point.rate:g}",
            f"{point.latency_off:+.1%}",
            f"{point.speedup_here:.2f}",
            f"{point.speedup_paper:.2f}",
            f"{point.speedup_off:+.1%}",
        )
        for panel in panels
        if panel["core"] == "7B" and panel["paper"]
        for point in ratios.calibration(panel)
    ]
    head = (
        *("panel", "requests/s", "LlamaDist+TO against the paper's"),
        *("Ayo's speed-up here", "in the paper", "difference"),
    )
    return Table(head, rows, "The calibration: 7B panels at low rates", folded=True)


def _every_arm(panels: Sequence[Json]) -> Table:
    rows = [
        (f"{name_of(panel)}: {arm}", *(f"{mean:.2f}" for mean in values))
        for panel in panels
        for arm, values in (
            *((arm, ratios.means(panel, arm)) for arm in panel["curves"]),
            (BOUND, panel["bound"]),
        )
    ]
    head = ("panel and arm", *(f"{rate:g}/s" for rate in panels[0]["rates"]))
    return Table(head, rows, "Mean latency (s) of every arm and policy", folded=True)


def many(made: Json) -> Section:
    """The same with many queries."""
    panels: Sequence[Json] = made["panels"]
    arms = ("LlamaDist+TO", "LlamaDistPC+TO", PAPER, OURS)
    plots, rows = [], []
    for panel in panels:
        found = {arm: ratios.means(panel, arm) for arm in arms if arm in panel["curves"]}
        curves = [*better(found), Curve(BOUND, panel["bound"])]
        plots.append(Plot(name_of(panel), lines(panel["rates"], curves)))
        rows += [
            (f"{name_of(panel)}: {arm}", *(f"{mean:.1f}" for mean in values))
            for arm, values in (*found.items(), (BOUND, panel["bound"]))
        ]
    head = ("panel and arm", *(f"{rate:g}/s" for rate in panels[0]["rates"]))
    return Section(
        f"Fig. 8 with {panels[0]['queries']:,} queries",
        says="The same curves over a longer run: queues that grow go on growing.",
        legend=keys((*(system(arm) for arm in arms), BOUND)),
        plots=plots,
        tables=[Table(head, rows, "Mean latency (s)", folded=True)],
    )


def fig10(made: Json) -> Section:
    """The graph ablation."""
    single = ", ".join(f"{name} {value:.2f} s" for name, value in made["paper_single"].items())
    return _ablation(
        made,
        "Fig. 10: which passes, advanced RAG, TruthfulQA, 30B (scaled)",
        f"The policy is topology throughout; all passes with it are Ayo, the paper's system. "
        f"In the paper a query alone takes: {single}.",
    )


def fig11(made: Json) -> Section:
    """The ablation of policies."""
    return _ablation(
        made,
        "Fig. 11: which policy, same workload",
        "All four passes, as in the paper, under each policy; with topology that is Ayo.",
    )


def _ablation(made: Json, title: str, says: str) -> Section:
    rates = made["rates"]
    load = {arm: [point["mean"] for point in made["load"][arm]] for arm in ordered(made["load"])}
    here = [Curve(arm, values) for arm, values in load.items()]
    theirs = [Curve(arm, values, paper=True) for arm, values in made["paper"].items()]
    rows = [
        (
            arm,
            f"{made['single'][arm]['mean']:.2f}",
            *(f"{mean:.2f}" for mean in values),
        )
        for arm, values in load.items()
    ]
    return Section(
        title,
        says=f"{says} Solid lines are measured here, dashed ones are the paper's.",
        legend=[*keys(load), PAPER_KEY],
        plots=[Plot("Mean latency", lines(rates, [*theirs, *here]))],
        tables=[
            Table(
                ("arm", "a query alone", *(f"{rate:g}/s" for rate in rates)),
                rows,
                "Mean latency (s)",
                folded=True,
            )
        ],
        wide=True,
    )

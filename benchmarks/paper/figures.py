"""Fig. 8 to 11: latency by request rate, of apps and arms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.paper.bounds import mean_bound
from benchmarks.paper.jobs import Point, run_all, statistics
from benchmarks.paper.parameters import Panel, parameters
from benchmarks.paper.published import (
    ABLATION,
    ABLATION_SINGLE,
    BATCHING,
)
from benchmarks.paper.published import (
    fig8 as published_fig8,
)
from benchmarks.paper.schemes import (
    ABLATIONS,
    BASELINES,
    BEST_POLICY,
    OURS,
    PAPER,
    SCHEMES,
    WITHOUT_SPLIT,
)

Json = dict[str, Any]
FIG8_ARMS = (*SCHEMES, WITHOUT_SPLIT)
MANY_ARMS = ("LlamaDist+TO", "LlamaDistPC+TO", PAPER, OURS)
ABLATED = (("advanced", "TruthfulQA"),)
ABLATED_CORE = "30B"


def fig8() -> Json:
    """The panels on profiled models: every arm and rate."""
    runs = parameters().runs
    return _fig8([p for p in parameters().panels if not p.scaled], runs.seeds, "Fig. 8")


def fig8_scaled() -> Json:
    """The panels on models that are scaled from the profiled one."""
    runs = parameters().runs
    return _fig8([p for p in parameters().panels if p.scaled], runs.scaled_seeds, "Fig. 8, scaled")


def _fig8(panels: Sequence[Panel], seeds: Sequence[int], label: str) -> Json:
    runs = parameters().runs
    found = run_all(_points(panels, runs.rates, FIG8_ARMS, runs.queries), seeds, label)
    return {
        "policy": BEST_POLICY,
        "panels": [_panel(p, runs.rates, FIG8_ARMS, runs.queries, seeds, found) for p in panels],
    }


def fig8_many() -> Json:
    """Some of the profiled panels with many queries."""
    given = parameters()
    runs = given.runs
    chosen = [
        panel
        for panel in given.panels
        if not panel.scaled and panel.workload.dataset in runs.many_datasets
    ]
    points = _points(chosen, runs.many_rates, MANY_ARMS, runs.many_queries)
    found = run_all(points, runs.many_seeds, f"Fig. 8, {runs.many_queries} queries")
    return {
        "panels": [
            _panel(panel, runs.many_rates, MANY_ARMS, runs.many_queries, runs.many_seeds, found)
            for panel in chosen
        ]
    }


def fig9() -> Json:
    """The naive and the advanced app on the same engines."""
    given = parameters()
    runs = given.runs
    workloads = (("naive", "TruthfulQA"), ("advanced", "TruthfulQA"))
    arms = ("LlamaDist+PO", "LlamaDist+TO", "LlamaDistPC+PO", "LlamaDistPC+TO", PAPER, OURS)
    points = [Point(workloads, "13B", arm, runs.colocated_rate, runs.queries) for arm in arms]
    found = run_all(points, runs.seeds, "Fig. 9")
    return {
        "core": "13B",
        "rate": runs.colocated_rate,
        "arms": {
            point.arm: {app: statistics(found[point], app) for app, _ in workloads}
            for point in points
        },
    }


def fig10() -> Json:
    """Graph ablation: a query alone, and under load."""
    return {**_ablation(ABLATIONS, "Fig. 10"), "paper": ABLATION, "paper_single": ABLATION_SINGLE}


def fig11() -> Json:
    """Policy ablation, with all passes."""
    policies = tuple(dict.fromkeys(("per_invocation", "throughput", "topology", BEST_POLICY)))
    return {**_ablation(policies, "Fig. 11"), "paper": BATCHING}


def _ablation(arms: Sequence[str], label: str) -> Json:
    runs = parameters().runs
    single = [Point(ABLATED, ABLATED_CORE, arm, 0.0, runs.single_queries) for arm in arms]
    load = [
        Point(ABLATED, ABLATED_CORE, arm, rate, runs.queries)
        for arm in arms
        for rate in runs.ablation_rates
    ]
    alone = run_all(single, runs.seeds[:1], f"{label}, alone")
    found = run_all(load, runs.seeds, f"{label}, load")
    return {
        "rates": list(runs.ablation_rates),
        "single": {point.arm: statistics(alone[point]) for point in single},
        "load": {
            arm: [statistics(found[point]) for point in load if point.arm == arm] for arm in arms
        },
    }


def _points(
    panels: Iterable[Panel], rates: Iterable[float], arms: Iterable[str], queries: int
) -> list[Point]:
    return [
        Point(((panel.workload.app, panel.workload.dataset),), panel.core, arm, rate, queries)
        for panel in panels
        for arm in arms
        for rate in rates
    ]


def _panel(
    panel: Panel,
    rates: Sequence[float],
    arms: Sequence[str],
    queries: int,
    seeds: Sequence[int],
    found: dict[Point, Any],
) -> Json:
    given = parameters()
    app, dataset = panel.workload.app, panel.workload.dataset

    def curve(arm: str) -> list[dict[str, float]]:
        workloads = ((app, dataset),)
        return [
            statistics(found[Point(workloads, panel.core, arm, rate, queries)]) for rate in rates
        ]

    curves = {arm: curve(arm) for arm in arms}
    published = published_fig8()
    return {
        "app": app,
        "dataset": dataset,
        "core": panel.core,
        "scaled": panel.scaled,
        "seeds": list(seeds),
        "queries": queries,
        "rates": list(rates),
        "curves": curves,
        "bound": [mean_bound(given, panel, rate, queries, seeds) for rate in rates],
        "paper": {
            arm: [published[app, dataset, panel.core, arm][rate] for rate in rates]
            for arm in (*BASELINES, PAPER)
            if (app, dataset, panel.core, arm) in published
        },
    }

"""What the results are wanted to show, and whether they do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.paper import ratios
from benchmarks.paper.findings import all_panels
from benchmarks.paper.schemes import BASELINES, WITHOUT_SPLIT

Json = dict[str, Any]
Target = tuple[str, str, str, bool]
"""What is wanted of a figure: its name, the target, what it is, whether that meets the target."""


def targets(results: Json) -> Iterator[Target]:
    """The targets of Fig. 8 and of the bounds."""
    yield from _ratio_targets(all_panels(results))
    yield from _bound_target(results)


def _ratio_targets(panels: Sequence[Json]) -> Iterator[Target]:
    advanced = [panel for panel in panels if panel["app"] == "advanced"]
    for panel in advanced:
        for rate, wanted in ((0.6, 2.2), (8.0, 1.7)):
            at = panel["rates"].index(rate)
            got, most = ratios.over_llamadist(panel)[at], ratios.possible(panel)[at]
            yield (
                f"advanced, {panel['dataset']}, {panel['core']}: over LlamaDist at {rate:g}/s",
                f"{wanted}x",
                f"{got:.2f}x (no schedule: more than {most:.2f}x)",
                got >= wanted,
            )
    points = [
        point
        for panel in advanced
        for point in zip(
            ratios.over_best_baseline(panel), ratios.possible(panel, BASELINES), strict=True
        )
    ]
    worst = min(got for got, _ in points)
    reached, beyond = sum(got >= 1.4 for got, _ in points), sum(most < 1.4 for _, most in points)
    yield (
        "advanced: over the best baseline, worst point",
        "1.4x",
        f"{worst:.2f}x ({reached} of {len(points)} points reach it; at {beyond} no schedule could)",
        worst >= 1.4,
    )
    every = [value for panel in panels for value in ratios.over_paper_system(panel)]
    worst, mean = min(every), ratios.geometric_mean(every)
    what = "all panels: over the paper's own system, worst point"
    yield what, "1.00x", f"{worst:.3f}x", worst >= 1
    yield "the same, geometric mean", "1.10x", f"{mean:.3f}x", mean >= 1.1
    harder = [
        value
        for panel in panels
        if WITHOUT_SPLIT in panel["curves"]
        for value in ratios.over_paper_without_split(panel)
    ]
    if harder:
        worst, mean = min(harder), ratios.geometric_mean(harder)
        what = "against the better of that system with and without prefilling split"
        yield what, "1.00x", f"{worst:.3f}x (geometric mean {mean:.3f}x)", worst >= 1


def _bound_target(results: Json) -> Iterator[Target]:
    gaps = [made["ours"] / made["bound"] for made in apps(results.get("bounds", {})).values()]
    if gaps:
        worst = max(gaps)
        what = "a single query over its bound, worst app"
        yield what, "1.10x", f"{worst:.3f}x", worst <= 1.1


def apps(bounds: Json) -> Json:
    """The bounds by app, without what else stands in these results."""
    return {name: made for name, made in bounds.items() if isinstance(made, dict)}

"""The figures that the experiments are judged by, worked out of the results."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from benchmarks.paper.schemes import BASELINES, OURS, PAPER, WITHOUT_SPLIT

Json = dict[str, Any]
LOW_RATES = (0.6, 1.0, 2.0)


def means(panel: Json, arm: str) -> list[float]:
    """Mean latency (s) by rate."""
    return [point["mean"] for point in panel["curves"][arm]]


def best(panel: Json, arms: Iterable[str]) -> list[float]:
    """At each rate that of the best of the arms."""
    known = [means(panel, arm) for arm in arms if arm in panel["curves"]]
    return [min(values) for values in zip(*known, strict=True)]


def over_llamadist(panel: Json) -> list[float]:
    """Speed-up of ours over LlamaDist under the better of its policies."""
    base = best(panel, ("LlamaDist+PO", "LlamaDist+TO"))
    return [a / b for a, b in zip(base, means(panel, OURS), strict=True)]


def over_best_baseline(panel: Json) -> list[float]:
    """Speed-up of ours over the best baseline at each rate."""
    return [a / b for a, b in zip(best(panel, BASELINES), means(panel, OURS), strict=True)]


def over_paper_system(panel: Json) -> list[float]:
    """Speed-up of ours over the paper's own system."""
    return [a / b for a, b in zip(means(panel, PAPER), means(panel, OURS), strict=True)]


def over_paper_without_split(panel: Json) -> list[float]:
    """Speed-up of ours over the better of the paper's own system and it without its third pass."""
    base = best(panel, (PAPER, WITHOUT_SPLIT))
    return [a / b for a, b in zip(base, means(panel, OURS), strict=True)]


def possible(panel: Json) -> list[float]:
    """The speed-up over LlamaDist that no schedule can exceed."""
    base = best(panel, ("LlamaDist+PO", "LlamaDist+TO"))
    return [a / b for a, b in zip(base, panel["bound"], strict=True)]


def calibration(panel: Json) -> list[tuple[float, float, float, float, float]]:
    """At low rates: rate, LlamaDist+TO relative to the paper's, both speed-ups of the paper's
    system, and their ratio less one."""
    arm = "LlamaDist+TO"
    rows = []
    for i, rate in enumerate(panel["rates"]):
        if rate not in LOW_RATES:
            continue
        off = means(panel, arm)[i] / panel["paper"][arm][i] - 1
        ours = means(panel, arm)[i] / means(panel, PAPER)[i]
        theirs = panel["paper"][arm][i] / panel["paper"][PAPER][i]
        rows.append((rate, off, ours, theirs, ours / theirs - 1))
    return rows


def geometric_mean(values: Iterable[float]) -> float:
    """Of positive values."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms))

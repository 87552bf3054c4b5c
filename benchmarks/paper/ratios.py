"""The figures that the experiments are judged by, worked out of the results."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.paper.schemes import BASELINES, OURS, PAPER, WITHOUT_SPLIT

Json = dict[str, Any]
LOW_RATES = (0.6, 1.0, 2.0)
LLAMADIST = ("LlamaDist+PO", "LlamaDist+TO")
"""Requests/s."""


def means(panel: Json, arm: str) -> list[float]:
    """Mean latency (s) by rate."""
    return [point["mean"] for point in panel["curves"][arm]]


def best(panel: Json, arms: Iterable[str]) -> list[float]:
    """At each rate that of the best of the arms."""
    known = [means(panel, arm) for arm in arms if arm in panel["curves"]]
    return [min(values) for values in zip(*known, strict=True)]


def over_llamadist(panel: Json) -> list[float]:
    """Speed-up of ours over LlamaDist under the better of its policies."""
    return [a / b for a, b in zip(best(panel, LLAMADIST), means(panel, OURS), strict=True)]


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


def possible(panel: Json, arms: Iterable[str] = LLAMADIST) -> list[float]:
    """The speed-up over the best of some arms that no schedule can exceed."""
    return [a / b for a, b in zip(best(panel, arms), panel["bound"], strict=True)]


def paper_over_llamadist(panel: Json) -> list[float]:
    """Speed-up of the paper's system over LlamaDist in the paper, as in :func:`over_llamadist`."""
    paper = panel["paper"]
    base = map(min, paper["LlamaDist+PO"], paper["LlamaDist+TO"])
    return [a / b for a, b in zip(base, paper[PAPER], strict=True)]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """LlamaDist+TO and the paper's system, here and in the paper, at one rate."""

    rate: float
    latency_off: float
    """Latency of LlamaDist+TO here relative to the paper's, less one."""
    speedup_here: float
    """Of the paper's system over LlamaDist+TO."""
    speedup_paper: float

    @property
    def speedup_off(self) -> float:
        """The speed-up here relative to that in the paper, less one."""
        return self.speedup_here / self.speedup_paper - 1


def calibration(panel: Json) -> list[Calibrated]:
    """The points at low rates, to which the workload was fitted."""
    here, paper = means(panel, "LlamaDist+TO"), panel["paper"]["LlamaDist+TO"]
    return [
        Calibrated(
            rate,
            here[i] / paper[i] - 1,
            here[i] / means(panel, PAPER)[i],
            paper[i] / panel["paper"][PAPER][i],
        )
        for i, rate in enumerate(panel["rates"])
        if rate in LOW_RATES
    ]


def geometric_mean(values: Iterable[float]) -> float:
    """Of positive values."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms))

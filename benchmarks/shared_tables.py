"""What ``benchmarks.shared_engines`` has measured, and how it is shown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.shared_models import EMBED, RERANK, best

AT_LEAST: Final = 1.5
"""Throughput of shared models to that of each worker's own, of a question that asks both."""
MOST_LAG: Final = 0.020
TOLERANCE: Final = 1e-6
WORKLOADS: Final[Mapping[str, tuple[str, ...]]] = {
    "embed": (EMBED,),
    "rerank": (RERANK,),
    "find": (EMBED, RERANK),
}
"""What each question asks of models."""


@dataclass
class Round:
    """One load on one arm."""

    per_second: float
    latencies: list[float]
    lag: float
    cpu: float
    """Processor seconds a question, of the workers and the shared process together."""
    answers: dict[str, list[float]] = field(repr=False)


@dataclass
class Arm:
    """What was measured of an arm."""

    rounds: dict[str, list[Round]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)

    def per_second(self, work: str) -> float:
        """Median of the rounds."""
        rates = [round.per_second for round in self.rounds[work]]
        return statistics.median(rates)

    def latency(self, work: str, share: int) -> float:
        """A percentile over all rounds."""
        times = sorted(t for round in self.rounds[work] for t in round.latencies)
        return times[min(len(times) - 1, len(times) * share // 100)]

    def cpu(self, work: str) -> float:
        """Processor seconds a question: what neighbours on the machine change least."""
        return statistics.median([round.cpu for round in self.rounds[work]])

    def lag(self, work: str) -> float:
        """Median of the rounds' longest."""
        return statistics.median(round.lag for round in self.rounds[work])


def same(one: Arm, other: Arm) -> bool:
    """Whether two arms have answered alike wherever both were asked."""
    for work in one.rounds.keys() & other.rounds.keys():
        rounds = one.rounds[work]
        known = {q: a for round in rounds for q, a in round.answers.items()}
        for round in other.rounds[work]:
            for question, answer in round.answers.items():
                pairs = zip(known.get(question, answer), answer, strict=True)
                if any(abs(a - b) > TOLERANCE for a, b in pairs):
                    return False
    return True


def bounds(curves: Mapping[str, dict[int, float]]) -> dict[str, float]:
    """What batches could bring at most, by work: a model alone to the same in its best batch."""
    found = {}
    for work, shapes in WORKLOADS.items():
        alone, batched = best([curves[shape] for shape in shapes])
        found[work] = alone / batched
    return found


def show(
    console: Console, arms: dict[str, Arm], libraries: float, bounds: Mapping[str, float]
) -> bool:
    """Print all; whether the shared arm is fast enough, holds up no loop and answers alike."""
    table = Table(
        *("work", "models", "a second", "to original", "CPU ms", "of CPU", "at most"),
        *("p50 ms", "p95 ms", "loop ms"),
    )
    for work in WORKLOADS:
        base, cpu = arms["original"].per_second(work), arms["original"].cpu(work)
        for name, arm in arms.items():
            rate, lag = arm.per_second(work), arm.lag(work)
            times = [f"{arm.latency(work, share) * 1000:.0f}" for share in (50, 95)]
            used = [f"{arm.cpu(work) * 1000:.1f}", f"{cpu / arm.cpu(work):.2f}x"]
            bound = f"{bounds[work]:.2f}x" if name == "shared" else ""
            row = [f"{rate:.0f}", f"{rate / base:.2f}x", *used, bound, *times, f"{lag * 1000:.0f}"]
            table.add_row(work, name, *row)
    console.print(table)
    console.print(
        "CPU ms: of a question in all processes; of CPU: that of the original to this one; "
        "at most: what the best batches could bring, with no way to them"
    )
    console.print(f"PSS of {len(arms)} arms, MB; libraries alone: {libraries:.0f}")
    for name, arm in arms.items():
        console.print(
            f"  {name}: workers {arm.memory['workers']:.0f}, shared {arm.memory['shared']:.0f}"
        )
    shared, original = arms["shared"], arms["original"]
    alike = same(original, shared)
    console.print(f"same answers: {alike}")
    fast = shared.per_second("find") >= AT_LEAST * original.per_second("find")
    return alike and fast and all(shared.lag(work) <= MOST_LAG for work in WORKLOADS)

"""Both arms of a case in turns: medians, ratios, and whether a target is met."""

from __future__ import annotations

import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ayo_bridge import Runtime
from ayo_bridge.profile import ProfileStore

Call = Callable[[str], str]
"""Answers a question; everything that must be the same in both arms is in the returned text."""


@dataclass(frozen=True, slots=True)
class Case:
    """One workflow in both arms. Exactly one of the targets is set.

    ``at_least`` is a ratio of medians, ``at_most_slower`` is seconds.
    """

    name: str
    original: Call
    accelerated: Call
    at_least: float | None = None
    at_most_slower: float | None = None
    rounds: int = 11
    warmups: int = 3


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured of a case."""

    name: str
    original: Sequence[float]
    accelerated: Sequence[float]
    identical: bool
    target: str
    met: bool

    @property
    def before(self) -> float:
        """Median seconds of the original."""
        return statistics.median(self.original)

    @property
    def after(self) -> float:
        """Median seconds of the accelerated arm."""
        return statistics.median(self.accelerated)


def fresh_runtime() -> Runtime:
    """A runtime that knows nothing yet: profiles on disk are those of engines not slowed down."""
    profiles = ProfileStore(tempfile.mkdtemp(prefix="ayo-bench-"))
    return Runtime(profiles=profiles, templates=False)


def measure(case: Case) -> Result:
    """Run both arms in turns, each question in both."""
    seconds: dict[Call, list[float]] = {case.original: [], case.accelerated: []}
    identical = True
    for turn in range(case.warmups + case.rounds):
        question = f"What is item {turn} about?"
        arms = [case.original, case.accelerated]
        answers = []
        for arm in arms if turn % 2 == 0 else reversed(arms):
            gc.collect()
            started = time.perf_counter()
            answers.append(arm(question))
            taken = time.perf_counter() - started
            if turn >= case.warmups:
                seconds[arm].append(taken)
        identical = identical and answers[0] == answers[1]
    before, after = map(statistics.median, seconds.values())
    if case.at_least is not None:
        target, met = f"at least {case.at_least:g}x", before / after >= case.at_least
    else:
        slower = case.at_most_slower or 0.0
        target, met = f"at most {slower * 1000:g} ms slower", after - before <= slower
    original, accelerated = seconds.values()
    return Result(case.name, original, accelerated, identical, target, met and identical)


def report(results: Sequence[Result], console: Console, json_file: Path | None) -> int:
    """Show the results, write them, and return the process's exit code."""
    table = Table(box=None)
    table.add_column("case", overflow="fold")  # It alone wraps where room is short.
    for name in ("as it is", "accelerated", "ratio", "target", "met"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        table.add_row(
            result.name,
            f"{result.before * 1000:.1f} ms",
            f"{result.after * 1000:.1f} ms",
            f"{result.before / result.after:.2f}x",
            result.target,
            "[green]yes[/]" if result.met else "[red]NO[/]",
        )
    console.print(table)
    write(json_file, {result.name: asdict(result) for result in results})
    missed = [result.name for result in results if not result.met]
    if differing := [result.name for result in results if not result.identical]:
        console.print(f"answers DIFFER: {', '.join(differing)}", style="red")
    if missed:
        console.print(f"missed: {', '.join(missed)}", style="red")
    return 1 if missed else 0


def write(json_file: Path | None, figures: Mapping[str, object]) -> None:
    """Write figures as JSON, if a file was named."""
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n")

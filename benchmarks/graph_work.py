"""What it costs to make and optimise the graph of a query: ``python -m benchmarks.graph_work``.

The advanced app has 20 chunks, three expansions and a refine chain over three contexts, indexing
included; b* is 8, so that every pass has something to do. Larger graphs are a chain, a tree, a
large index, a context for each chunk, and advanced apps side by side, each made so that its e-graph
has about 1,000 and 10,000 primitives. Seconds are those of this process's CPU; medians of rounds.
The garbage collector runs as it does by default; its part of that time is told as well.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ayo_bridge.graph import (
    Composable,
    Contextualising,
    Flow,
    decompose,
    flow,
)
from ayo_bridge.passes import optimise
from benchmarks.advanced_app import INPUTS, advanced, context, inputs, simulated, tree
from benchmarks.measure import write

BUILT, CACHED, THOUSAND, GROWTH = 0.002, 0.0003, 0.040, 15.0
"""At most so many seconds for the advanced app, for one whose shape was seen before, and for 1,000
primitives; at most so many times as long for ten times as many. That leaves half as much again for
caches of the processor and collections of garbage; were it quadratic, it would be a hundred."""

CONTEXT = context(best_batch=8)


def _contexts(chunks: int) -> Flow:
    contexts = Contextualising(name="context", llm="llm", items=chunks)
    return contexts >> advanced(chunks=20)


def _side_by_side(apps: int) -> Composable:
    flows = [advanced(str(i)) for i in range(apps)]
    parts = [part for each in flows for part in each.components]
    edges = tuple(edge for each in flows for edge in each.edges)
    return Flow(tuple(parts), edges, (), ())


LARGE: dict[str, Callable[[int], Composable]] = {
    "refine chain": lambda n: advanced(calls=n // 3),
    "tree": lambda n: tree(n // 2),
    "large index": lambda n: advanced(chunks=n * 4),
    "contexts": lambda n: _contexts(n // 2),
    "side by side": lambda n: _side_by_side(n // 34),
}
"""A workflow whose e-graph has about ``n`` primitives."""


class Collections:
    """Counts the CPU seconds that the garbage collector takes, from :func:`gc.callbacks`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0

    def __call__(self, phase: str, _: object) -> None:
        if phase == "start":
            self._started = time.process_time()
        else:
            self.seconds += time.process_time() - self._started


def timed(run: Callable[[], object], rounds: int) -> list[float]:
    """CPU seconds of calls."""
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        run()
        taken.append(time.process_time() - started)
    return taken


def median(run: Callable[[], object], rounds: int) -> float:
    """Median CPU seconds of a call, after one that is not counted."""
    run()
    return statistics.median(timed(run, rounds))


@dataclass
class Rounds:
    """CPU seconds of calls: ``small``, each of them, and ``large``; what of the latter the garbage
    collector took; and how many times a small call each large one took, on average."""

    small: list[float]
    large: list[float]
    collected: float
    times: list[float]


def compared(small: Callable[[], object], large: Callable[[], object], rounds: int) -> Rounds:
    """Compare calls of which the one takes about ten times as long as the other.

    Each call of ``large`` stands beside ten of ``small``, so that neighbours on the machine disturb
    both alike.
    """
    small()
    large()
    result, collections = Rounds([], [], 0.0, []), Collections()
    for _ in range(rounds):
        gc.callbacks.append(collections)
        result.large += timed(large, 1)
        gc.callbacks.remove(collections)
        beside = timed(small, 10)
        result.small += beside
        result.times.append(result.large[-1] / statistics.mean(beside))
    result.collected = collections.seconds
    return result


def built(workflow: Composable) -> Callable[[], int]:
    """Makes a workflow's e-graph from its template; returns how many primitives it has."""
    template = flow(workflow).template(INPUTS)
    return lambda: len(optimise(decompose(template), CONTEXT).graph)


def cached(rounds: int) -> float:
    """Seconds to find the shape of a query whose inputs are new, but not their numbers."""
    app, workflow, given = simulated("topology", best_batch=8), advanced(), inputs(0)
    return median(lambda: app.plan(given, workflow), rounds)


def main(
    json_file: Annotated[Path | None, typer.Option("--json", help="File for figures.")] = None,
    rounds: Annotated[int, typer.Option(help="Rounds of the advanced app.")] = 300,
) -> None:
    """Measure; 1 if a target is missed."""
    console = Console()
    small = built(advanced())
    figures: dict[str, dict[str, object]] = {}

    def note(name: str, seconds: float, target: float, **more: object) -> None:
        figures[name] = {
            "milliseconds": round(seconds * 1e3, 3),
            "at_most": round(target * 1e3, 3),
            "met": seconds <= target,
            **more,
        }

    note("advanced app", median(small, rounds), BUILT, primitives=small())
    note("advanced app, shape seen before", cached(10 * rounds), CACHED)
    for name, make in LARGE.items():
        one, ten = built(make(1000)), built(make(10_000))
        both = compared(one, ten, 5)
        thousand = statistics.median(both.small) * 1000 / one()
        note(f"{name} of 1,000", thousand, THOUSAND, primitives=one())
        grown = statistics.median(both.times) * one() / ten() * 10
        taken = statistics.median(both.large) * 10_000 / ten()
        note(f"{name} of 10,000", taken, THOUSAND * GROWTH)
        figures[f"{name} of 10,000"] |= {
            "primitives": ten(),
            "times_that_of_1000": round(grown, 1),
            "share_of_collections": round(both.collected / sum(both.large), 3),
            "met": grown <= GROWTH,
        }
    table = Table(box=None)
    table.add_column("graph")
    for heading in ("primitives", "median", "at most", "growth", "gc", "met"):
        table.add_column(heading, justify="right")
    for name, row in figures.items():
        growth = row.get("times_that_of_1000")
        table.add_row(
            name,
            str(row.get("primitives", "")),
            f"{row['milliseconds']:g} ms",
            f"{GROWTH:g}x" if growth else f"{row['at_most']:g} ms",
            f"{growth}x" if growth else "",
            f"{row['share_of_collections']:.0%}" if growth else "",
            "[green]yes[/]" if row["met"] else "[red]NO[/]",
        )
    console.print(table)
    write(json_file, figures)
    raise typer.Exit(int(not all(row["met"] for row in figures.values())))


if __name__ == "__main__":
    typer.run(main)

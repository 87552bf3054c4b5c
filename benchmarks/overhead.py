"""What acceleration costs where engines cost nothing: ``python -m benchmarks.overhead``.

32 threads ask as fast as they can. CPU time is this process's; the stub runs in another one.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.cores import share_cores
from benchmarks.measure import Call, write
from tests.stub_openai import StubProcess

THROUGHPUT, CPU = 0.95, 1.1
THREADS = 32


@dataclass(frozen=True, slots=True)
class Load:
    """One round of one arm."""

    queries: int
    wall: float
    cpu: float


def load(ask: Call, queries: int, pool: ThreadPoolExecutor) -> Load:
    """Ask so many questions from all threads of a pool."""
    wall, cpu = time.perf_counter(), time.process_time()
    list(pool.map(ask, [f"What is item {n} about?" for n in range(queries)]))
    return Load(queries, time.perf_counter() - wall, time.process_time() - cpu)


@dataclass(frozen=True, slots=True)
class Pair:
    """A round of each arm, one after the other."""

    original: Load
    accelerated: Load

    @property
    def throughput(self) -> float:
        """Queries a second, accelerated to original."""
        return self.original.wall / self.accelerated.wall

    @property
    def cpu(self) -> float:
        """CPU seconds a query, accelerated to original."""
        return self.accelerated.cpu / self.original.cpu


def compare(original: Call, accelerated: Call, *, rounds: int, queries: int) -> list[Pair]:
    """Rounds of both arms in turns, of the same threads; the first two pairs only warm up.

    Many short rounds: on a machine that others use, too, only neighbours in time can be compared.
    """
    pairs = []
    with ThreadPoolExecutor(THREADS) as pool:
        for turn in range(rounds + 2):
            loads: dict[Call, Load] = {}
            for arm in (original, accelerated) if turn % 2 == 0 else (accelerated, original):
                loads[arm] = load(arm, queries, pool)
            pairs.append(Pair(loads[original], loads[accelerated]))
    return pairs[2:]


def main(
    rounds: Annotated[int, typer.Option(help="Pairs of rounds.")] = 24,
    queries: Annotated[int, typer.Option(help="Queries a round.")] = 64,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for figures.")] = None,
) -> None:
    """Measure both engines; 1 if a target is missed."""
    from ayo_bridge import accelerate
    from benchmarks.llamaindex_cases import asking, synthesis_engine

    console = Console()
    missed, figures = [], {}
    arms = []  # They live to the end: clients that are collected may close others' connections.
    with StubProcess(latency=0.0, spread=True, lines=True, core=share_cores()) as stub:
        for name, mode, chunks in (
            ("tree_summarize over 8", "tree_summarize", 8),
            ("compact", "compact", 2),
        ):
            engine = synthesis_engine(stub.base_url, mode, chunks=chunks)
            scale = 1 if mode == "tree_summarize" else 4
            arms.append((asking(engine), asking(accelerate(engine))))
            pairs = compare(*arms[-1], rounds=rounds, queries=queries * scale)
            figures[name] = [asdict(pair) for pair in pairs]
            console.print(_table(name, pairs))
            throughput = _median(pairs, lambda pair: pair.throughput)
            cpu = _median(pairs, lambda pair: pair.cpu)
            if throughput < THROUGHPUT:
                missed.append(f"{name}: throughput {throughput:.3f} < {THROUGHPUT}")
            if cpu > CPU:
                missed.append(f"{name}: CPU {cpu:.3f} > {CPU}")
    write(json_file, figures)
    for what in missed:
        console.print(f"missed: {what}", style="red")
    sys.exit(1 if missed else 0)


def _median(pairs: list[Pair], of: Callable[[Pair], float]) -> float:
    return statistics.median(map(of, pairs))


def _table(name: str, pairs: list[Pair]) -> Table:
    table = Table(title=name, title_justify="left", box=None)
    for column in (
        "pair",
        "queries/s",
        "accelerated",
        "ratio",
        "CPU ms/query",
        "accelerated",
        "ratio",
    ):
        table.add_column(column, justify="right")
    for number, pair in enumerate(pairs, 1):
        table.add_row(
            str(number),
            *(f"{load.queries / load.wall:.1f}" for load in (pair.original, pair.accelerated)),
            f"{pair.throughput:.3f}",
            *(
                f"{load.cpu / load.queries * 1000:.2f}"
                for load in (pair.original, pair.accelerated)
            ),
            f"{pair.cpu:.3f}",
        )
    ratios = [_median(pairs, lambda p: p.throughput), _median(pairs, lambda p: p.cpu)]
    table.add_row("median", "", "", f"{ratios[0]:.3f}", "", "", f"{ratios[1]:.3f}", style="bold")
    return table


if __name__ == "__main__":
    typer.run(main)

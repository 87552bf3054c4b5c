"""The one calibration: ``python -m benchmarks.paper.calibrate``.

The paper states neither how long documents and answers are nor how many queries it ran. Lengths are
chosen here so that LlamaDist+TO comes close to the paper's LlamaDist+TO on the 7B panels at 0.6 to
2 requests/s: per dataset the number of chunks and the tokens of an answer, the same for both apps.
No other arm is run, so that every speed-up is a prediction. The grid is around the 666 passages of
the prototype's published logs, with which indexing has about the share of the latency that it has
in the paper's Fig. 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.paper.jobs import in_background
from benchmarks.paper.parameters import Workload, parameters
from benchmarks.paper.published import fig8
from benchmarks.paper.run import poisson, simulate
from benchmarks.paper.system import Models

ARM: Final = "LlamaDist+TO"
APPS: Final = ("naive", "advanced")
DATASETS: Final = ("Finqabench", "TruthfulQA")
RATES: Final = (0.6, 1.0, 2.0)
CHUNKS: Final = range(480, 681, 40)
ANSWERS: Final = range(24, 57, 8)

Case = tuple[str, int, int]


def latencies(case: Case) -> tuple[Case, list[float]]:
    """LlamaDist+TO's mean latency (s) at each of the rates."""
    app, chunks, answer = case
    given = parameters()
    known = given.workload(app, DATASETS[0])
    sizes = replace(known.sizes, chunks=chunks, answer_tokens=answer)
    workload = Workload(app, known.dataset, sizes)
    models = Models("7B", given.assistants[app])
    runs = given.runs
    return case, [
        sum(
            simulate(given, poisson(workload, rate, runs.queries, seed), models, ARM).mean
            for seed in runs.seeds
        )
        / len(runs.seeds)
        for rate in RATES
    ]


def errors(app: str, dataset: str, found: Iterable[float]) -> list[float]:
    """Relative to the paper, at each of the rates."""
    paper = fig8()[app, dataset, "7B", ARM]
    return [mine / paper[rate] - 1 for mine, rate in zip(found, RATES, strict=True)]


def main() -> None:
    """Run the grid and print, for each dataset, the lengths whose largest error is least."""
    cases = [(app, c, a) for app in APPS for c in CHUNKS for a in ANSWERS]
    found = dict(in_background(latencies, cases, ARM))
    table = Table("dataset", "chunks", "answer", "app", *(f"{r:g} req/s" for r in RATES))
    for dataset in DATASETS:

        def worst(lengths: tuple[int, int], dataset: str = dataset) -> float:
            return max(
                abs(error) for app in APPS for error in errors(app, dataset, found[app, *lengths])
            )

        for lengths in sorted(product(CHUNKS, ANSWERS), key=worst)[:4]:
            for app in APPS:
                off = errors(app, dataset, found[app, *lengths])
                table.add_row(dataset, *map(str, lengths), app, *(f"{e:+.1%}" for e in off))
    Console().print(table)


if __name__ == "__main__":
    main()

"""How much of the applications is learned, without running ahead: ``python -m ....offline``.

Every application is traced over engines that take little time, once; then a template is learned
from some of its traces and predicts the others. All but the recording needs no engines:
``--traces`` keeps the traces in a file, or takes them from it. Times of calls are those of the live
benchmark (an LLM call 100 ms, an embedding 20 ms, a search 10 ms) by list scheduling, not measured.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from benchmarks.learned.__main__ import chosen, quiet_deprecations
from benchmarks.learned.app import Group
from benchmarks.learned.engines import Latencies, cache_tokenizer, running_engines
from benchmarks.learned.held_out import Figures, mean, measure
from benchmarks.learned.recording import Traces, read, record, timed, write

WHILE_RECORDING = Latencies(0.01, 0.002, 0.001)
"""Not nothing: calls that are made at once should still be seen to overlap."""
_COLUMNS = (*("calls", "exact", "false", "gain", "ideal", "induction", "prediction", "template"),)


def recorded(only: str, group: Group | None, queries: int, console: Console) -> Traces:
    """Traces of the applications whose names contain ``only``, of one group or of all."""
    cache_tokenizer()
    quiet_deprecations()
    with running_engines(WHILE_RECORDING) as engines:
        traces: Traces = {}
        for app in chosen(only, group, threads=1, tasks=1):
            with console.status(app.name):
                traces[app.name] = record(app, engines, queries)
    return traces


def table(rows: Mapping[str, Figures]) -> Table:
    """A line for each application, and one for all."""
    out = Table(box=None)
    out.add_column("application", no_wrap=True)
    for name in _COLUMNS:
        out.add_column(name, justify="right")
    for name, row in rows.items():
        out.add_row(name, *_cells(row, row.gain, row.ideal_gain, row.share))
    if rows:
        every = list(rows.values())
        gain, ideal = (
            statistics.geometric_mean(getattr(row, name) for row in every)
            for name in ("gain", "ideal_gain")
        )
        share = statistics.fmean(row.share for row in every)
        out.add_section()
        out.add_row(f"all {len(rows)}", *_cells(mean(every), gain, ideal, share))
    return out


def _cells(row: Figures, gain: float, ideal: float, share: float) -> list[str]:
    return [
        f"{row.calls:.1f}",
        f"{100 * share:.1f} %",
        f"{row.false:.3f}",
        f"{gain:.2f}x",
        f"{ideal:.2f}x",
        f"{row.induction * 1000:.0f} ms",
        f"{row.prediction * 1000:.2f} ms",
        f"{row.size / 1000:.1f} kB",
    ]


def main(
    only: Annotated[str, typer.Option(help="Applications whose name contains this.")] = "",
    group: Annotated[Group | None, typer.Option(help="Applications of this group.")] = None,
    queries: Annotated[int, typer.Option(help="Distinct queries that are traced.")] = 10,
    learned: Annotated[int, typer.Option(help="Traces that are learned from.")] = 4,
    ways: Annotated[int, typer.Option(help="Ways to choose these.")] = 3,
    traces: Annotated[Path | None, typer.Option(help="File of traces, made if missing.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for figures.")] = None,
) -> None:
    """Learn from some calls of each application and predict others; exact, false, gain, cost."""
    console = Console(width=120)
    if traces is not None and traces.exists():
        found = {name: own for name, own in read(traces).items() if only in name}
    else:
        found = recorded(only, group, queries, console)
        if traces is not None:
            write(found, traces)
    rows = {}
    for name, own in found.items():
        with console.status(name):
            rows[name] = measure([timed(each, Latencies()) for each in own], learned, ways)
    console.print(table(rows))
    if json_file is not None:
        figures = {name: asdict(row) for name, row in rows.items()}
        json_file.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)

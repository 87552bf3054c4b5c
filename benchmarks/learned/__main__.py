"""Applications as they are and accelerated: ``python -m benchmarks.learned``.

An LLM call takes 100 ms, an embedding 20 ms, a search 10 ms. Every application is asked with
distinct inputs, some of them before anything is timed: what is learned is learned there.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from benchmarks.cores import share_cores
from benchmarks.learned.app import App, Group
from benchmarks.learned.arms import Plan, Row, measure
from benchmarks.learned.catalogue import APPS
from benchmarks.learned.engines import Latencies, cache_tokenizer, running_engines
from benchmarks.learned.report import show, write
from benchmarks.measure import fresh_runtime

RESULTS = Path(__file__).with_name("results.json")


def chosen(only: str, group: Group | None, *, threads: int, tasks: int) -> list[App]:
    """Applications whose names contain ``only``, of one group or of all.

    Of those, threads ask the synchronous ones that may be, and tasks the asynchronous ones.
    """
    named = [app for app in APPS.values() if only in app.name and group in (None, app.group)]
    if tasks > 1:
        return [app for app in named if app.on_loop]
    return [app for app in named if threads == 1 or not (app.on_loop or app.one_thread)]


def quiet_deprecations() -> None:
    """Say nothing of chains that are deprecated and still in use."""
    # LangChain has its own deprecations shown when it is imported: what comes later wins.
    importlib.import_module("langchain_classic.chains.llm")
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.filterwarnings("ignore", message="The apply_and_parse method is deprecated")


def main(
    only: Annotated[str, typer.Option(help="Applications whose name contains this.")] = "",
    group: Annotated[Group | None, typer.Option(help="Applications of this group.")] = None,
    learn: Annotated[int, typer.Option(help="Calls before anything is timed.")] = 6,
    rounds: Annotated[int, typer.Option(help="Timed calls of each arm.")] = 7,
    zero_latency: Annotated[bool, typer.Option(help="Engines take no time.")] = False,
    threads: Annotated[int, typer.Option(help="Threads that ask at once.")] = 1,
    tasks: Annotated[int, typer.Option(help="Tasks that ask at once.")] = 1,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="File for figures; results.json for all applications."),
    ] = None,
) -> None:
    """Measure applications in both arms; 1 if any answer differs."""
    if threads > 1 and tasks > 1:
        raise typer.BadParameter("threads or tasks, not both")
    from ayo_bridge import accelerate

    def fast(target: Any) -> Any:
        return accelerate(target, runtime=fresh_runtime())

    cache_tokenizer()
    quiet_deprecations()
    console = Console(width=120 if not sys.stdout.isatty() else None)
    latencies = Latencies(0.0, 0.0, 0.0) if zero_latency else Latencies()
    plan = Plan(learn, rounds, max(threads, tasks))
    rows: list[Row] = []
    with running_engines(latencies, share_cores()) as engines:
        gc.collect()
        gc.freeze()  # What was imported is not looked through before each call.
        for app in chosen(only, group, threads=threads, tasks=tasks):
            with console.status(app.name):
                rows.append(measure(app, engines, fast, plan))
        gc.unfreeze()
    show(rows, console)
    settings = {"learn": learn, "rounds": rounds, "threads": threads, "tasks": tasks}
    everything = not (only or group or zero_latency) and threads == tasks == 1
    if file := json_file or (RESULTS if everything else None):
        write(rows, latencies, settings, file)
    sys.exit(0 if all(row.equal for row in rows) else 1)


if __name__ == "__main__":
    typer.run(main)

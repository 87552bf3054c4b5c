"""``python -m benchmarks.scale all``: runs, a table in the terminal, results.json, the page."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.scale.experiments import EXPERIMENTS
from benchmarks.scale.page import PAGE, RESULTS, known_results, page
from benchmarks.scale.tables import printed


def main(
    names: Annotated[
        list[str], typer.Argument(help=f"{', '.join(EXPERIMENTS)}, all; page makes no run")
    ],
) -> None:
    """Replicas of an LLM in virtual time; results go to results.json and results.html."""
    chosen = list(EXPERIMENTS) if "all" in names else [name for name in names if name != "page"]
    if unknown := set(chosen).difference(EXPERIMENTS):
        raise typer.BadParameter(f"unknown: {', '.join(sorted(unknown))}")
    console = Console()
    for name in chosen:
        results: dict[str, Any] = {**known_results(), name: EXPERIMENTS[name]()}
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        for table in printed(name, results[name]):
            console.print(table, "")
    PAGE.write_text(page(known_results()), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)

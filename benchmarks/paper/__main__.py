"""One command an experiment, and one for all: ``python -m benchmarks.paper all``."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer

from benchmarks.paper.bounds import bounds
from benchmarks.paper.figures import fig8, fig8_many, fig8_scaled, fig9, fig10, fig11
from benchmarks.paper.page import page
from benchmarks.paper.parameters import FILE, HERE
from benchmarks.paper.ragpulse import trace
from benchmarks.paper.where import contention, fig12, prefills, table3

RESULTS = HERE / "results.json"
PAGE = HERE / "results.html"
EXPERIMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "table3": table3,
    "bounds": bounds,
    "fig9": fig9,
    "fig10": fig10,
    "fig11": fig11,
    "fig12": fig12,
    "prefills": prefills,
    "contention": contention,
    "trace": trace,
    "fig8": fig8,
    "fig8_scaled": fig8_scaled,
    "fig8_many": fig8_many,
}


def run(names: Iterable[str]) -> None:
    """Run experiments and write their results beside those that are there, and the page."""
    fingerprint = fingerprint_of(FILE.read_text(encoding="utf-8"))
    for name in names:
        made = {"parameters": fingerprint, **EXPERIMENTS[name]()}
        results = {**known_results(), name: made}  # others may have come meanwhile
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(known_results(), fingerprint), encoding="utf-8")


def fingerprint_of(text: str) -> str:
    """Of the parameters, not of what is said about them."""
    values = json.dumps(tomllib.loads(text), sort_keys=True)
    return hashlib.sha256(values.encode()).hexdigest()[:16]


def known_results() -> dict[str, Any]:
    """The results that are there, by experiment."""
    if not RESULTS.exists():
        return {}
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def main(
    names: Annotated[
        list[str], typer.Argument(help=f"{', '.join(EXPERIMENTS)}, all; page makes no run")
    ],
) -> None:
    """Run the paper's experiments in virtual time; results go to results.json and results.html."""
    chosen = list(EXPERIMENTS) if "all" in names else [n for n in names if n != "page"]
    if unknown := set(chosen).difference(EXPERIMENTS):
        raise typer.BadParameter(f"unknown: {', '.join(sorted(unknown))}")
    run(chosen)


if __name__ == "__main__":
    app()

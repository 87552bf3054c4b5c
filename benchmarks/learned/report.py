"""Rows as a table and as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.learned.arms import Arm, Row
from benchmarks.learned.engines import Latencies

_COLUMNS = ("as it is", "accelerated", "ratio", "ideal", "asked", "sent", "in\nvain", "equal")


def show(rows: Sequence[Row], console: Console) -> None:
    """A line for each application, and the geometric mean of all that were accelerated."""
    table = Table(box=None)
    table.add_column("application", no_wrap=True)
    for name in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.app.name, *_cells(row))
    console.print(table)
    for reason, refused in groupby(sorted(rows, key=_refused), key=_refused):
        if reason:
            names = ", ".join(row.app.name for row in refused)
            console.print(f"{reason}: {names}", style="yellow", markup=False)
    ratios = [row.ratio for row in rows if row.ratio is not None]
    if ratios:
        mean = statistics.geometric_mean(ratios)
        console.print(f"geometric mean of {len(ratios)}: {mean:.2f}x")
    known = [row for row in rows if row.ideal_ratio and row.ratio is not None]
    if known:
        ideal = statistics.geometric_mean([row.ideal_ratio or 1.0 for row in known])
        reached = statistics.geometric_mean([row.ratio or 1.0 for row in known])
        console.print(f"of {len(known)} with a known ideal: {reached:.2f}x of {ideal:.2f}x")


def _refused(row: Row) -> str:
    return row.refused


def _cells(row: Row) -> list[str]:
    arm = row.accelerated
    ideal = row.ideal_ratio
    return [
        f"{row.before * 1000:.0f} ms",
        "refused" if arm is None else f"{statistics.median(arm.seconds) * 1000:.0f} ms",
        "" if row.ratio is None else f"{row.ratio:.2f}x",
        "" if ideal is None else f"{ideal:.2f}x",
        str(row.original.seen.count),
        "" if arm is None else f"{arm.seen.count}{f' + {arm.seen.marked}' * (arm.seen.marked > 0)}",
        "" if arm is None else str(row.in_vain),
        "" if arm is None else "yes" if row.equal else "[red]NO[/]",
    ]


def write(rows: Sequence[Row], latencies: Latencies, settings: dict[str, Any], file: Path) -> None:
    """Write all figures as JSON; times in seconds."""
    figures = {
        "latencies": {
            "llm": latencies.llm,
            "embedding": latencies.embedding,
            "search": latencies.search,
        },
        "settings": settings,
        "applications": {row.app.name: _figures(row) for row in rows},
    }
    file.write_text(json.dumps(figures, indent=1) + "\n")


def _figures(row: Row) -> dict[str, Any]:
    return {
        "group": row.app.group.value,
        "note": row.app.note,
        "refused": row.refused,
        "ratio": row.ratio,
        "ideal_ratio": row.ideal_ratio,
        "target": row.app.target,
        "equal": row.equal,
        "in_vain": row.in_vain,
        "missing": row.missing,
        "original": _arm(row.original),
        "accelerated": None if row.accelerated is None else _arm(row.accelerated),
    }


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        "seconds": [round(seconds, 4) for seconds in arm.seconds],
        "requests": arm.seen.count,
        "warms_and_probes": arm.seen.marked,
    }

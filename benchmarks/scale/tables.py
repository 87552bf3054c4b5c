"""The results as tables: for the terminal and for the page, from the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.table import Table as Printed

from ayo_bridge.pages.content import Table
from benchmarks.scale.routers import PREFIX, ROUTERS

Json = dict[str, Any]
_SHAPES = {"refine": "refine", "tree": "tree", "one_shot": "one call"}


def tables(name: str, made: Json) -> list[Table]:
    """The tables of an experiment."""
    return {
        "sizes": _sizes,
        "long": _long,
        "loads": _loads,
        "processes": _processes,
        "cost": _cost,
    }[name](made)


def printed(name: str, made: Json) -> list[Printed]:
    """They, for the terminal."""
    found = []
    for each in tables(name, made):
        table = Printed(box=None, title=each.title, title_justify="left")
        for place, heading in enumerate(each.head):
            table.add_column(heading, justify="right" if place else "left")
        for row in each.rows:
            table.add_row(*row)
        found.append(table)
    return found


def _sizes(made: Json) -> list[Table]:
    runs = made["runs"]
    head = ("replicas, router", "queries", "all", *_SHAPES.values())
    latency = [
        (f"{run['replicas']:,}, {run['router']}", f"{run['queries']:,}", *_latency(run))
        for run in runs
    ]
    work = [
        (
            f"{run['replicas']:,}, {run['router']}",
            f"{run['prefilled']:,.0f}",
            f"{run['cached']:.0%}",
            f"{run['found']} of {run['begun_ahead']}",
            f"{run['least_calls']:.2f} to {run['most_calls']:.2f}",
        )
        for run in runs
    ]
    return [
        Table(head, latency, "Mean latency of a query, virtual seconds"),
        Table(
            ("replicas, router", "prefilled", "cached", "found", "calls a replica"),
            work,
            "Tokens prefilled for a query; share of prompts in a cache already; calls that found "
            "what was begun of them ahead; least and most calls of a replica, of the mean",
        ),
    ]


def _long(made: Json) -> list[Table]:
    simulated = [
        (
            f"{run['replicas']:,}, {run['router']}",
            f"{run['queries']:,}",
            f"{run['cpu_seconds']:,.0f} s",
            *(f"{size:,}" for size in run["memory_mib"][1::2]),
        )
        for run in made["runs"]
    ]
    tenths = [f"{share} %" for share in range(20, 101, 20)]
    head = ("replicas, router", "queries", "CPU", *tenths)
    title = "CPU seconds of the simulation, and MiB of its process after so much of it"
    return [Table(head, simulated, title)]


def _loads(made: Json) -> list[Table]:
    return _mean_latency(
        made,
        "load",
        lambda run: f"{run['utilisation']:.0%}",
        "found",
        lambda run: f"{run['found']} of {run['begun_ahead']}",
    )


def _processes(made: Json) -> list[Table]:
    return _mean_latency(
        made,
        "processes",
        lambda run: f"{run['processes']}",
        "calls a replica",
        lambda run: f"{run['least_calls']:.2f} to {run['most_calls']:.2f}",
    )


def _mean_latency(
    made: Json, by: str, row: Callable[[Json], str], last: str, seen: Callable[[Json], str]
) -> list[Table]:
    """Mean latency by router and by what is varied, and what else is ``seen`` of each run."""
    rows = [
        (f"{row(run)}, {run['router']}", *_latency(run), f"{run['cached']:.0%}", seen(run))
        for run in made["runs"]
    ]
    head = (f"{by}, router", "all", *_SHAPES.values(), "cached", last)
    return [Table(head, rows, f"{made['replicas']} replicas, mean latency")]


def _cost(made: Json) -> list[Table]:
    sizes = sorted(made["decision"][PREFIX], key=int)
    decisions = [
        (router, *(f"{1e6 * made['decision'][router][size]:,.1f}" for size in sizes))
        for router in ROUTERS
    ]
    ends = [
        (what, f"{1e3 * seconds:.2f} ms", f"{1 / seconds:,.0f}", f"{fed(made, seconds):,.0f}")
        for what, seconds in a_query(made).items()
    ]
    return [
        Table(
            ("router", *(f"{int(size):,}" for size in sizes)),
            decisions,
            "CPU microseconds of a call's routing, by replicas",
        ),
        Table(("of a query", "CPU", "queries/s", "replicas"), ends, "Where one process ends"),
    ]


def a_query(made: Json) -> dict[str, float]:
    """CPU seconds of a query, by what is counted."""
    routed = made["calls"] * made["decision"][PREFIX]["1000"]
    return {
        "both schedulers": made["tiers"],
        "and prefix routing over 1,000 replicas": made["tiers"] + routed,
        "a native query, routed: passes, handlers, asyncio": made["native"] + routed,
    }


def fed(made: Json, seconds: float) -> float:
    """How many replicas a process keeps busy that has so much to do for a query."""
    return float(1 / seconds / (made["utilisation"] * made["capacity"]))


def _latency(run: Json) -> Sequence[str]:
    """Mean, of all queries and of each shape."""
    by_shape = run["mean_by_shape"]
    return [f"{seconds:.1f}" for seconds in (run["mean"], *(by_shape[s] for s in _SHAPES))]

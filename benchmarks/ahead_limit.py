"""The limit of work ahead at servers of known behaviour: ``python -m benchmarks.ahead_limit``.

Simulated on a clock of its own, each row over ten seeds, answers of lengths that vary tenfold.
Times are those of a query over the same without work ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from ayo_bridge.schedule.limits import AheadLimit
from tests.schedule.ahead_servers import (
    ONE_SLOT,
    SHARED,
    VLLM,
    Always,
    Limit,
    Server,
    World,
    gateway,
)

ROWS: tuple[tuple[str, Server, dict[str, Any]], ...] = (
    ("vllm, 1 user", VLLM, {}),
    ("vllm, 4 users", VLLM, {"users": 4}),
    ("vllm, 16 users", VLLM, {"users": 16}),
    ("vllm, 64 calls a query", VLLM, {"calls": 64}),
    ("one slot, 1 user", ONE_SLOT, {}),
    ("one slot, 4 users", ONE_SLOT, {"users": 4}),
    ("processor sharing, 1 user", SHARED, {}),
    ("processor sharing, 4 users", SHARED, {"users": 4}),
    ("gateway of 1", gateway(1), {}),
    ("gateway of 2", gateway(2), {}),
    ("gateway of 4", gateway(4), {}),
)


def row(server: Server, options: dict[str, Any]) -> list[str]:
    """Query times of the first ten and of the later queries, the best, and refused calls."""
    count = 60 * options.get("users", 1)
    late = slice(count // 2, count)
    first, later, best, refused = [], [], [], []
    for seed in range(1, 11):

        def took(limit: Callable[[], Limit], seed: int = seed) -> tuple[list[float], World]:
            world = World(server, limit(), seed=seed, noise=0.2, longest=10.0, **options)
            return world.run(count), world

        (asis, _), (limited, world) = took(lambda: Always(0)), took(AheadLimit)
        unlimited, _ = took(lambda: Always(64))
        first.append(fmean(limited[:10]) / fmean(asis[:10]))
        later.append(fmean(limited[late]) / fmean(asis[late]))
        best.append(fmean(unlimited[late]) / fmean(asis[late]))
        refused.append(world.refused)
    figures = (fmean(best), fmean(first), fmean(later), max(later))
    return [*(f"{figure:.2f}" for figure in figures), f"{fmean(refused):.0f}"]


def main() -> None:
    """Print the table."""
    names = ("server", "unlimited", "first 10", "2nd half", "its worst", "refused")
    table = Table(*names, title="query time over that without work ahead")
    for name, server, options in ROWS:
        table.add_row(name, *row(server, options))
    Console().print(table)


if __name__ == "__main__":
    main()

"""The limit of work ahead at servers of known behaviour: ``python -m benchmarks.ahead_limit``.

Simulated on a clock of its own, each row over ten seeds, answers of lengths that vary tenfold.
Times are those of a query over the same without work ahead.

Then three kinds of queries at one LLM, by the share of turns in which work ahead goes by the limit:
what all gain together, and what each kind does; then the share that is found. The last rows show
what else could decide: the server's own priorities with all turns full, and a cap on all calls at
the server instead of turns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from ayo_bridge.schedule import ServerLoad
from ayo_bridge.schedule.limits import AheadLimit
from ayo_bridge.schedule.turns import Turns
from ayo_bridge.seam import Query
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
from tests.schedule.mixed_load import CPU, DEMO, GPU, PAPER, ratios, simulate

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


MIXED = {"CPU": CPU, "7B of the paper": PAPER, "GPU": GPU}
KINDS = [kind.name for kind in DEMO]
SHARES = (0.1, 0.3, 1.0)
BEYOND = (0, 1)
"""Calls that a cap allows beside one of each user."""


class _Set(Turns):
    """Turns of which a share is full that nothing changes."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._set = share

    @property
    def share(self) -> float:
        """As it was set."""
        return self._set


class _Capped(ServerLoad):
    """Where calls ahead go out while there are fewer than so many calls at the server."""

    def __init__(self, clock: Callable[[], float], limit: AheadLimit, most: int) -> None:
        super().__init__(clock, limit)
        self._most = most

    def _has_turn(self, query: Query) -> bool:
        mine = self._queries.get(query)
        alone = mine is None or self.own + self.awaited == mine.awaited
        return alone or self.in_flight < self._most


def _full(share: float) -> Callable[[], AheadLimit]:
    def made() -> AheadLimit:
        limit = AheadLimit()
        limit.turns = _Set(share)
        return limit

    return made


def ways(users: int) -> dict[str, dict[str, Any]]:
    """Who decides what goes ahead, by what it is called in the table."""
    found: dict[str, dict[str, Any]] = {"found": {}}
    if users == 1:
        return found
    shares = {f"{share:.0%} of turns": {"limit": _full(share)} for share in SHARES}
    behind = {"100 %, behind others": {"limit": _full(1.0), "priority": 1}}
    caps = {
        f"{users + beyond} calls in all": {
            "limit": _full(1.0),
            "made": partial(_Capped, most=users + beyond),
        }
        for beyond in BEYOND
    }
    return shares | found | behind | caps


def mixed() -> Table:
    """The frontier of three kinds at one LLM."""
    names = ("LLM", "users", "ahead", "throughput", *KINDS)
    table = Table(*names, title="times as fast as without work ahead")
    for name, costs in MIXED.items():
        for users in (1, 4, 8):
            asked = [(seed, users, 40) for seed in range(1, 7)]
            original = [simulate(costs, *a, seed=s, accelerated=False) for s, *a in asked]
            for said, way in ways(users).items():
                found = [simulate(costs, *a, seed=s, **way) for s, *a in asked]
                by = ratios(found, original)
                figures = (f"{by[key]:.2f}" for key in ("throughput", *KINDS))
                table.add_row(name, str(users), said, *figures)
    return table


def main() -> None:
    """Print the tables."""
    names = ("server", "unlimited", "first 10", "2nd half", "its worst", "refused")
    table = Table(*names, title="query time over that without work ahead")
    for name, server, options in ROWS:
        table.add_row(name, *row(server, options))
    Console().print(table)
    Console().print(mixed())


if __name__ == "__main__":
    main()

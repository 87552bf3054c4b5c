"""``results.json`` as one self-contained page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ayo_bridge.pages.charts import Curve, lines
from ayo_bridge.pages.content import Plot, Section, Tile, keys
from ayo_bridge.pages.page import render
from benchmarks.scale.routers import LEAST_OUTSTANDING, PREFIX, ROUND_ROBIN
from benchmarks.scale.tables import a_query, fed, tables

Json = dict[str, Any]
HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results.json"
PAGE: Final = HERE / "results.html"
TEMPLATE: Final = HERE / "results.html.j2"
TITLE: Final = "From 1 to 1,000 replicas, in virtual time"


def known_results() -> Json:
    """The results that are there, by experiment."""
    if not RESULTS.exists():
        return {}
    found: Json = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def page(results: Json) -> str:
    """The page. Sections whose experiment has not run yet are left out."""
    made: Mapping[str, Callable[[Json], Section]] = {
        "sizes": _sizes,
        "long": _long,
        "loads": _loads,
        "processes": _processes,
        "cost": _cost,
    }
    return render(
        TEMPLATE,
        title=TITLE,
        figures=_tiles(results),
        summary=[],
        sections=[section(results[name]) for name, section in made.items() if name in results],
    )


def _tiles(results: Json) -> list[Tile]:
    tiles = []
    if "sizes" in results:
        runs = results["sizes"]["runs"]
        most = max(run["replicas"] for run in runs)
        largest = {run["router"]: run for run in runs if run["replicas"] == most}
        for other in (ROUND_ROBIN, LEAST_OUTSTANDING):
            times = largest[other]["mean"] / largest[PREFIX]["mean"]
            tiles.append(Tile(f"{times:.2f}x", f"over {other}, mean latency at {most:,} replicas"))
    if "long" in results:
        (own,) = results["long"]["runs"]
        most = own["replicas"]
        what = f"of CPU to simulate {own['queries']:,} queries over {most:,} replicas"
        tiles.append(Tile(f"{own['cpu_seconds'] / 60:.1f} min", what))
    if "cost" in results:
        made = results["cost"]
        seconds = list(a_query(made).values())[1]
        what = "of CPU for both schedulers and the routing of a query, at 1,000 replicas"
        tiles.append(Tile(f"{1e3 * seconds:.2f} ms", what))
    return tiles


def _curves(runs: Sequence[Json], figure: Callable[[Json], float]) -> list[Curve]:
    routers = dict.fromkeys(run["router"] for run in runs)
    return [
        Curve(router, [figure(run) for run in runs if run["router"] == router])
        for router in routers
    ]


def _plots(
    runs: Sequence[Json], over: str, *, x: str, doubling: bool, shown: Mapping[str, str]
) -> list[Plot]:
    xs = list(dict.fromkeys(run[over] for run in runs))

    def of(name: str) -> Callable[[Json], float]:
        return lambda run: float(run[name])

    return [
        Plot(title, lines(xs, _curves(runs, of(name)), x=x, doubling=doubling))
        for name, title in shown.items()
    ]


_SECONDS: Final = {"mean": "Mean latency"}


def _sizes(made: Json) -> Section:
    several = [run for run in made["runs"] if run["replicas"] > 1]
    routers = dict.fromkeys(run["router"] for run in several)
    own = {run["replicas"]: run["mean"] for run in several if run["router"] == PREFIX}
    times = _curves(several, lambda run: float(run["mean"] / own[run["replicas"]]))
    return Section(
        "More replicas",
        says=f"Each router at {made['utilisation']:.0%} of what the replicas can do: "
        f"{made['capacity']:.2f} queries/s a replica, measured on one with all queries at once. At "
        "the largest sizes a replica gets some twenty queries, and its queue is still growing when "
        "the last one comes: compare routers at a size, not sizes.",
        legend=keys(routers),
        plots=[
            Plot(
                "Mean latency, in times of prefix routing's",
                lines(list(own), times, x="replicas", unit="x", doubling=True),
            )
        ],
        tables=tables("sizes", made),
    )


def _long(made: Json) -> Section:
    return Section(
        "The simulation itself",
        says="One process on one core. Memory is flat once the prefix caches are full.",
        tables=tables("long", made),
    )


def _loads(made: Json) -> Section:
    routers = dict.fromkeys(run["router"] for run in made["runs"])
    return Section(
        "More load",
        says=f"{made['replicas']} replicas. Least delay is the prefix router without prefixes: "
        "what lies between the two is what following a prefix gains.",
        legend=keys(routers),
        plots=_plots(made["runs"], "utilisation", x="load", doubling=False, shown=_SECONDS),
        tables=tables("loads", made),
    )


def _processes(made: Json) -> Section:
    routers = dict.fromkeys(run["router"] for run in made["runs"])
    return Section(
        "More processes",
        says="The same queries, sent by one process or by several. A router sees what its own "
        "process sends, and nothing of the others.",
        legend=keys(routers),
        plots=_plots(made["runs"], "processes", x="processes", doubling=True, shown=_SECONDS),
        tables=tables("processes", made),
    )


def _cost(made: Json) -> Section:
    seconds = list(a_query(made).values())
    return Section(
        "What decisions cost",
        says="CPU time of the real schedulers and routers, on the machine that made this page. A "
        f"query has {made['calls']:.1f} LLM calls, those that begin prompts ahead included. One "
        f"process ends at about {1 / seconds[1]:,.0f} queries/s by its schedulers alone, which "
        f"feeds {fed(made, seconds[1]):,.0f} replicas; native queries, on simulated engines, at "
        f"{1 / seconds[2]:,.0f} queries/s and {fed(made, seconds[2]):,.0f} replicas. HTTP and the "
        "code of a framework come on top.",
        tables=tables("cost", made),
    )

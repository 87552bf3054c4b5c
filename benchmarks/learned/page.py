"""``results.json`` as one self-contained page: ``python -m benchmarks.learned.page``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ayo_bridge.pages.charts import Bar, Ratio, Series, ratios, speedups
from ayo_bridge.pages.content import Mark, Plot, Section, Table, Tile, keys
from ayo_bridge.pages.page import render

Json = dict[str, Any]
HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results.json"
PAGE: Final = HERE / "results.html"
TEMPLATE: Final = HERE / "results.html.j2"
TITLE: Final = "Applications as they are and accelerated"
_FAST: Final = "accelerated"
_BEST: Final = "at best"
_GROUPS: Final = {
    "llama-index": ("LlamaIndex", "LlamaIndex query engines, agents and workflows"),
    "langchain": ("LangChain", "LangChain and LangGraph"),
    "plain": ("plain Python", "Plain Python: functions that call an LLM"),
    "public": ("published", "Applications as published, with their engines replaced"),
    "texts": ("texts", "What stands in the texts that go from call to call"),
    "table": ("parts", "Parts of the frameworks, one by one"),
}


def page(results: Json) -> str:
    """The page: a summary, then a section for each group of applications."""
    groups: dict[str, dict[str, Json]] = {}
    for name, each in results["applications"].items():
        groups.setdefault(each["group"], {})[name] = each
    measured = _measured(results["applications"]).values()
    every = [x for each in measured for x in (each["ratio"], each["ideal_ratio"]) if x]
    latencies = {name: f"{1000 * s:.0f}" for name, s in results["latencies"].items()}
    return render(
        TEMPLATE,
        title=TITLE,
        figures=_tiles(results["applications"]),
        summary=[_summary(groups)],
        sections=[_group(name, found, every) for name, found in groups.items()],
        latencies=latencies,
        settings=results["settings"],
    )


def _measured(applications: dict[str, Json]) -> dict[str, Json]:
    return {name: each for name, each in applications.items() if each["ratio"] is not None}


def _tiles(applications: dict[str, Json]) -> list[Tile]:
    found = _measured(applications)
    times = [each["ratio"] for each in found.values()]
    known = [each for each in found.values() if each["ideal_ratio"]]
    equal = sum(each["equal"] for each in applications.values())
    tiles = [
        Tile(
            f"{equal} of {len(applications)}",
            "applications with answers identical to the original's",
        )
    ]
    if times:
        tiles += [
            Tile(f"{statistics.geometric_mean(times):.2f}x", f"geometric mean of {len(times)}"),
            Tile(f"{max(times):.1f}x", "the largest speed-up"),
            Tile(f"{min(times):.2f}x", "the smallest"),
        ]
    if known:
        share = statistics.geometric_mean(each["ratio"] / each["ideal_ratio"] for each in known)
        what = f"of the best possible, in the mean of the {len(known)} where that is known"
        tiles.append(Tile(f"{share:.0%}", what))
    return tiles


def _summary(groups: dict[str, dict[str, Json]]) -> Section:
    points, means = [], []
    for group, applications in groups.items():
        row = _GROUPS[group][0]
        for series, field in ((_FAST, "ratio"), (_BEST, "ideal_ratio")):
            values = {n: each[field] for n, each in _measured(applications).items() if each[field]}
            points += [Ratio(row, series, value, name) for name, value in values.items()]
            if values:
                mean = statistics.geometric_mean(values.values())
                means.append(Ratio(row, series, mean, f"{row}: geometric mean"))
    kinds = (Series(_FAST, _FAST), Series(_BEST, _BEST, paper=True))
    return Section(
        "In one picture: times as fast as the original",
        says="Each point is an application. Further to the right is faster; bar and figure are the "
        "geometric mean. At best is what its calls allow: the longest chain of calls that need "
        "each other; its mean is over those for which that is known.",
        legend=[*keys([_FAST], Mark.DOT), *keys([_BEST], Mark.RING)],
        plots=[Plot("Times as fast as the original", ratios(points, means, kinds))],
        wide=True,
    )


def _group(group: str, applications: dict[str, Json], every: Sequence[float]) -> Section:
    found = sorted(_measured(applications).items(), key=lambda item: -item[1]["ratio"])
    bars = [Bar(name, each["ratio"], _FAST, each["ideal_ratio"]) for name, each in found]
    legend = [*keys([_FAST], Mark.BAR), *keys([_BEST], Mark.TICK)]
    head = (
        *("application", "as it is", "accelerated", "times", "at best"),
        *("requests", "sent", "in vain", "answers"),
    )
    return Section(
        _GROUPS[group][1],
        legend=legend,
        plots=[Plot("Times as fast as the original", speedups(bars, every))] if bars else [],
        tables=[
            Table(
                head,
                [_row(name, each) for name, each in applications.items()],
                "In figures: median milliseconds, and requests over all timed calls",
                folded=True,
            )
        ],
        wide=True,
    )


def _row(name: str, each: Json) -> tuple[str, ...]:
    before, after = each["original"], each["accelerated"]
    ideal = "" if each["ideal_ratio"] is None else f"{each['ideal_ratio']:.2f}x"
    if after is None:
        return name, _median(before["seconds"]), f"refused: {each['refused']}", *[""] * 6
    marked = after["warms_and_probes"]
    return (
        name,
        _median(before["seconds"]),
        _median(after["seconds"]),
        f"{each['ratio']:.2f}x",
        ideal,
        str(before["requests"]),
        f"{after['requests']}" + (f" + {marked}" if marked else ""),
        str(each["in_vain"]),
        "identical" if each["equal"] else "DIFFERENT",
    )


def _median(seconds: Sequence[float]) -> str:
    return f"{1000 * statistics.median(seconds):.0f}"


def main(
    results: Annotated[Path, typer.Option("--json", help="File of figures.")] = RESULTS,
    out: Annotated[Path, typer.Option(help="The page.")] = PAGE,
) -> None:
    """Make the page from the figures that are there; nothing is run."""
    out.write_text(page(json.loads(results.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)

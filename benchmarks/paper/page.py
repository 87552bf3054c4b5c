"""``results.json`` as one self-contained page: plots beside the paper's, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ayo_bridge.pages.charts import COLOURS, Ratio, Series
from ayo_bridge.pages.charts import ratios as drawn_ratios
from ayo_bridge.pages.content import Key, Mark, Plot, Section, Table, Tile, keys, marked
from ayo_bridge.pages.page import render
from benchmarks.paper import latency, ratios, sections
from benchmarks.paper.findings import all_panels, findings
from benchmarks.paper.parameters import HERE, parameters
from benchmarks.paper.schemes import OURS, PAPER
from benchmarks.paper.targets import targets

Json = dict[str, Any]
TEMPLATE: Final = HERE / "results.html.j2"
TITLE: Final = "The paper's experiments in virtual time"
_SHORT: Final = {
    "search": "search engine",
    "naive": "naive RAG",
    "advanced": "advanced RAG",
    "contextual": "contextual",
}
_SERIES: Final = (
    Series("ours", OURS),
    Series("Ayo, here", PAPER),
    Series("Ayo, in the paper", PAPER, paper=True),
)


def page(results: Json, fingerprint: str) -> str:
    """The page. Sections whose experiment has not run yet are left out."""
    made: Mapping[str, Callable[[Json], Section]] = {
        "fig8": lambda _: latency.fig8(all_panels(results)),
        "fig8_many": latency.many,
        "prefills": sections.prefills,
        "contention": sections.contention,
        "fig9": sections.fig9,
        "fig10": latency.fig10,
        "fig11": latency.fig11,
        "fig12": sections.fig12,
        "table3": sections.table3,
        "bounds": sections.bounds,
        "trace": sections.trace,
    }
    said = findings(results)
    parts = [
        sections.with_findings(section(results[name]), marked(said.get(name, ())))
        for name, section in made.items()
        if name in results
    ]
    panels = all_panels(results) if "fig8" in results else []
    runs = parameters().runs
    return render(
        TEMPLATE,
        title=TITLE,
        figures=_tiles(results, panels) if panels else [],
        summary=[_summary(panels), _targets(results)] if panels else [],
        sections=parts,
        queries=runs.queries,
        seeds=", ".join(map(str, runs.seeds)),
        stale=[name for name, each in results.items() if each["parameters"] != fingerprint],
    )


def _tiles(results: Json, panels: Sequence[Json]) -> list[Tile]:
    every = [value for panel in panels for value in ratios.over_paper_system(panel)]
    chain = [value for panel in panels for value in ratios.over_llamadist(panel)]
    best = [value for panel in panels for value in ratios.over_best_baseline(panel)]
    met = [met for *_, met in targets(results)]
    return [
        Tile(_times(every), f"over the paper's system, mean of {len(every)} points"),
        Tile(_times(chain), "over a chain of modules (LlamaDist), the same points"),
        Tile(_times(best), "over whichever baseline is best at each point"),
        Tile(f"{sum(met)} of {len(met)}", "targets met: the table below"),
    ]


def _times(values: Sequence[float]) -> str:
    return f"{ratios.geometric_mean(values):.2f}x"


def _summary(panels: Sequence[Json]) -> Section:
    """Speed-ups over LlamaDist of ours and of the paper's system, here and in the paper."""
    points: list[Ratio] = []
    for panel in panels:
        row = _SHORT[panel["app"]]
        here = [
            base / mean
            for base, mean in zip(
                ratios.best(panel, ratios.LLAMADIST), ratios.means(panel, PAPER), strict=True
            )
        ]
        theirs = ratios.paper_over_llamadist(panel) if PAPER in panel["paper"] else []
        for series, values in zip(
            _SERIES, (ratios.over_llamadist(panel), here, theirs), strict=True
        ):
            points += [
                Ratio(row, series.name, value, f"{latency.name_of(panel)}, {rate:g} requests/s")
                for rate, value in zip(panel["rates"], values, strict=False)
            ]
    groups: dict[tuple[str, str], list[float]] = {}
    for point in points:
        groups.setdefault((point.row, point.series), []).append(point.value)
    means = [
        Ratio(row, series, ratios.geometric_mean(values), f"{row}: geometric mean")
        for (row, series), values in groups.items()
    ]
    return Section(
        "In one picture: speed-up over a chain of modules",
        says="Each point is a workload and model at a request rate, against LlamaDist under the "
        "better of its policies. Further to the right is faster; bar and figure are the geometric "
        "mean.",
        legend=[
            *keys([OURS], Mark.DOT),
            Key("Ayo, here", COLOURS[PAPER], Mark.DOT),
            Key("Ayo, in the paper", COLOURS[PAPER], Mark.RING),
        ],
        plots=[Plot("Times as fast as LlamaDist", drawn_ratios(points, means, _SERIES))],
        wide=True,
    )


def _targets(results: Json) -> Section:
    rows = []
    for what, wanted, got, met in targets(results):
        value, _, more = got.partition(" ")
        said = f"{what} {more}".strip()
        rows.append((said, wanted, value, "met" if met else "missed"))
    return Section(
        "Targets",
        says="What was aimed at before anything was run. Where no schedule could reach a target, "
        "that is said.",
        tables=[Table(("what", "wanted", "is", ""), rows)],
    )

"""``results.json`` as one self-contained page: plots beside the paper's, and what they say."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks.paper import ratios
from benchmarks.paper.findings import all_panels, findings
from benchmarks.paper.parameters import parameters
from benchmarks.paper.schemes import OURS, PAPER, SCHEMES
from benchmarks.paper.svg import Curve, legend, plot, stacked
from benchmarks.paper.targets import apps, targets

Json = dict[str, Any]
NAMES: Final = {
    "search": "Search-engine generation",
    "naive": "Naive RAG",
    "advanced": "Advanced RAG",
    "contextual": "Contextual retrieval",
}
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem } h3 { font-size: 1rem }
svg { margin: 4px } svg text { font: 10px system-ui, sans-serif; fill: #444 }
svg .title { font-size: 11px; font-weight: 600; fill: #111 }
table { border-collapse: collapse; font-size: 13px; margin: .6rem 0 }
td, th { border: 1px solid #ddd; padding: 2px 8px; text-align: right }
td:first-child, th:first-child { text-align: left }
.legend span { margin-right: 1rem; font-size: 13px } .legend i { display: inline-block; width: 14px;
  height: 4px; margin-right: 5px; vertical-align: middle }
.met { color: #17693a } .missed { color: #a4262c } .plots { display: flex; flex-wrap: wrap }
"""


def page(results: Json, fingerprint: str) -> str:
    """The page. Sections whose experiment has not run yet are left out."""
    sections: Mapping[str, Callable[[Json], str]] = {
        "fig8": lambda _: _fig8(all_panels(results), results.get("fig8_many")),
        "prefills": _prefills,
        "contention": _contention,
        "fig9": _fig9,
        "fig10": _fig10,
        "fig11": _fig11,
        "fig12": _fig12,
        "table3": _table3,
        "bounds": _bounds,
        "trace": _trace,
    }
    said = findings(results)
    parts = [_head(results, fingerprint)]
    for name, section in sections.items():
        if name in results:
            parts.append(section(results[name]))
            parts += [f"<p>{text}</p>" for text in said[name]]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>The paper's experiments in virtual time</title><style>{_STYLE}</style>"
        f"{''.join(parts)}</html>\n"
    )


def _head(results: Json, fingerprint: str) -> str:
    given = parameters()
    runs = given.runs
    stale = [name for name, made in results.items() if made["parameters"] != fingerprint]
    text = [
        "<h1>The paper's experiments in virtual time</h1>",
        "<p>The passes and the two-tier scheduler of ayo-bridge, unchanged, on simulated engines "
        "with the published costs of the paper's (Ayo, ASPLOS'25; arXiv 2407.00326). Every arm has "
        "the same engines, continuous batching and automatic prefix cache, makes the same calls, "
        "decodes the same number of tokens and gives the same answers; a run in which one does not "
        "fails. Only 7B is profiled: larger models, and the 2B of contextual retrieval, are "
        "<b>scaled</b> from it by a stated rule. "
        f"{runs.queries} queries a run, Poisson, means over the seeds "
        f"{', '.join(map(str, runs.seeds))}; all parameters are in "
        "<code>benchmarks/paper/parameters.toml</code>. Repeat it with "
        "<code>python -m benchmarks.paper all</code>: the figures are exact.</p>",
        "<p>Arms: LlamaDist (chain of modules), LlamaDistPC (modules side by side by hand), "
        "AutoGen (agents over modules), each per invocation (PO) and throughput-oriented (TO); "
        "Ayo, the paper's own system (four passes, topology-aware batching); ours (four passes, "
        "the policy <code>critical_path</code>).</p>",
    ]
    if stale:
        text.append(f'<p class="missed">Made with other parameters: {", ".join(stale)}.</p>')
    if "fig8" in results:
        text.append(_targets(results))
    return "".join(text)


def _targets(results: Json) -> str:
    rows = ((what, wanted, got, _verdict(met)) for what, wanted, got, met in targets(results))
    return "<h2>Targets</h2>" + _table(("what", "wanted", "is", ""), rows)


def _verdict(met: bool) -> str:
    word = "met" if met else "missed"
    return f'<b class="{word}">{word}</b>'


def _panel_name(panel: Json) -> str:
    scaled = " (scaled)" if panel["scaled"] else ""
    return f"{NAMES[panel['app']]}, {panel['dataset']}, {panel['core']}{scaled}"


def _fig8(panels: Sequence[Json], many: Json | None) -> str:
    return (
        "<h2>Fig. 8: mean latency by request rate</h2>"
        + legend(["LlamaDist", "LlamaDistPC", "AutoGen", "Ayo", "ours", "bound"])
        + "<p>Solid: TO; dotted: PO. The bound is what no schedule can beat.</p>"
        + f'<div class="plots">{"".join(map(_plots, panels))}</div>'
        + "<h3>Speed-up of ours: over LlamaDist (better of PO and TO) / over the best baseline / "
        "over the paper's own system</h3>"
        + _speedups(panels)
        + "<h3>The calibration: 7B panels at low rates</h3>"
        + _calibration(panels)
        + (_many(many["panels"]) if many else "")
    )


def _plots(panel: Json) -> str:
    """A panel here and, if it is there, in the paper."""
    rates = panel["rates"]
    curves = [Curve(arm, ratios.means(panel, arm)) for arm in SCHEMES]
    curves.append(Curve("bound", panel["bound"], thin=True))
    pair = [plot(_panel_name(panel), rates, curves)]
    if panel["paper"]:
        paper = [Curve(arm, values) for arm, values in panel["paper"].items()]
        pair.append(plot(f"the paper: {panel['dataset']}, {panel['core']}", rates, paper))
    return f"<div>{''.join(pair)}</div>"


def _speedups(panels: Sequence[Json]) -> str:
    rows = []
    for panel in panels:
        points = zip(
            ratios.over_llamadist(panel),
            ratios.over_best_baseline(panel),
            ratios.over_paper_system(panel),
            strict=True,
        )
        cells = (" / ".join(f"{value:.2f}" for value in point) for point in points)
        rows.append((_panel_name(panel), *cells))
    return _table(("panel", *(f"{rate:g}/s" for rate in panels[0]["rates"])), rows)


def _calibration(panels: Sequence[Json]) -> str:
    rows = [
        (
            f"{panel['app']}, {panel['dataset']}",
            f"{point.rate:g}",
            f"{point.latency_off:+.1%}",
            f"{point.speedup_here:.2f}",
            f"{point.speedup_paper:.2f}",
            f"{point.speedup_off:+.1%}",
        )
        for panel in panels
        if panel["core"] == "7B" and panel["paper"]
        for point in ratios.calibration(panel)
    ]
    head = (
        "panel",
        "requests/s",
        "LlamaDist+TO against the paper's",
        "Ayo's speed-up here",
        "in the paper",
        "difference",
    )
    return _table(head, rows)


def _many(panels: Sequence[Json]) -> str:
    arms = ("LlamaDist+TO", PAPER, OURS)
    parts = []
    for panel in panels:
        rows = [(arm, *(f"{mean:.1f}" for mean in ratios.means(panel, arm))) for arm in arms]
        rows.append(("bound", *(f"{mean:.1f}" for mean in panel["bound"])))
        parts.append(
            f"<h3>{panel['queries']} queries: {_panel_name(panel)}, mean latency (s)</h3>"
            + _table(("arm", *(f"{rate:g}/s" for rate in panel["rates"])), rows)
        )
    return "".join(parts)


def _prefills(made: Json) -> str:
    parts = ["<h2>Prompt tokens that are prefilled for a query, 7B</h2>"]
    for name, arms in made["tokens"].items():
        rows = [(arm, *(f"{tokens:.0f}" for tokens in values)) for arm, values in arms.items()]
        parts.append(_table((name, *(f"{rate:g}/s" for rate in made["rates"])), rows))
    return "".join(parts)


def _contention(made: Json) -> str:
    parts = ["<h2>Advanced RAG, 7B, with engines to spare: mean latency (s)</h2>"]
    heads = [f"{rate:g}/s{more}" for rate in made["rates"] for more in ("", ", to spare")]
    for dataset, arms in made["datasets"].items():
        rows = [
            (arm, *(f"{s:.2f}" for pair in zip(*means.values(), strict=True) for s in pair))
            for arm, means in arms.items()
        ]
        parts.append(_table((dataset, *heads), rows))
    return "".join(parts)


def _fig9(made: Json) -> str:
    arms = made["arms"]
    apps = list(next(iter(arms.values())))
    rows = [
        (
            arm,
            *(f"{arms[arm][app]['mean']:.2f}" for app in apps),
            *(f"{arms[arm][app]['mean'] / arms[OURS][app]['mean']:.2f}x" for app in apps),
        )
        for arm in arms
    ]
    return (
        f"<h2>Fig. 9: naive and advanced RAG together, {made['rate']:g} requests/s each, "
        f"{made['core']} (scaled)</h2>"
        + _table(("arm", *(f"{app}, s" for app in apps), *(f"{app}: ours" for app in apps)), rows)
    )


def _ablation(made: Json, paper: Mapping[str, Sequence[float]]) -> str:
    rates = made["rates"]
    curves = [Curve(arm, [p["mean"] for p in points]) for arm, points in made["load"].items()]
    theirs = [Curve(arm, values) for arm, values in paper.items()]
    labels = list(made["load"])
    rows = [
        (
            arm,
            f"{made['single'][arm]['mean']:.2f}",
            *(f"{point['mean']:.2f}" for point in points),
        )
        for arm, points in made["load"].items()
    ]
    return (
        f'<div class="plots">{plot("here (30B, scaled)", rates, curves, labels)}'
        f"{plot('the paper', rates, theirs, labels)}</div>"
        + legend(labels)
        + _table(("arm", "alone", *(f"{rate:g}/s" for rate in rates)), rows)
    )


def _fig10(made: Json) -> str:
    single = ", ".join(f"{name} {value:.2f} s" for name, value in made["paper_single"].items())
    return (
        "<h2>Fig. 10: graph ablation, advanced RAG, TruthfulQA, 30B, topology</h2>"
        + _ablation(made, made["paper"])
        + f"<p>The paper, a query alone: {single}.</p>"
    )


def _fig11(made: Json) -> str:
    return "<h2>Fig. 11: policies, all passes, same setting</h2>" + _ablation(made, made["paper"])


def _fig12(made: Json) -> str:
    names = [name for name in made["shares"][PAPER][0] if name != "seconds"]
    plots = [
        stacked(
            f"{arm}: share of the latency by requests/s",
            {
                f"{rate:g}": {name: point[name] for name in names}
                for rate, point in zip(made["rates"], points, strict=True)
            },
        )
        for arm, points in made["shares"].items()
    ]
    paper = {
        f"{rate:g}": {name: made["paper"][name][i] for name in (*names, "graph")}
        for i, rate in enumerate(made["rates"])
    }
    plots.append(stacked("the paper's Ayo", paper))
    graph = made["graph_ms"]
    return (
        "<h2>Fig. 12: where the time goes, advanced RAG, TruthfulQA, 7B</h2>"
        f'<div class="plots">{"".join(plots)}</div>'
        + legend([*names, "graph work"], shares=True)
        + f"<p>Graph work is real time, not virtual: {graph['first']:.2f} ms for a graph of a new "
        f"shape, {graph['seen_before']:.3f} ms for one seen before, on the machine that ran this."
        "</p>"
    )


def _table3(made: Json) -> str:
    rows = [
        (
            f"{row['partial']} + {row['full']}",
            *(f"{row['ms'][n]:.0f} ({row['paper_ms'][n]:.0f})" for n in row["ms"]),
            f"{row['slower']:+.1%} ({row['paper_slower']:+.1%})",
            f"{row['critical']:.1%} ({row['paper_critical']:.1%})",
        )
        for row in made["rows"]
    ]
    return (
        "<h2>Table 3: a prefill in one and in two parts, 7B; in brackets the paper</h2>"
        + _table(("tokens", "partial, ms", "full, ms", "single, ms", "slower", "saved late"), rows)
    )


def _bounds(made: Json) -> str:
    rows = [
        (
            name,
            f"{each['critical_path']:.3f}",
            f"{max(each['work'].values(), default=0.0):.3f}",
            f"{each['ours']:.3f}",
            f"{each['ours'] / each['bound']:.3f}x",
        )
        for name, each in apps(made).items()
    ]
    return "<h2>A single query and its bound</h2>" + _table(
        ("app", "critical path, s", "busiest engine, s", "ours, s", "ours over bound"), rows
    )


def _trace(made: Json) -> str:
    parts = [
        f"<h2>A real trace: {made['queries']} requests of RAGPulse, advanced RAG, 7B</h2>"
        f"<p>Utilisation 1 is {made['capacity']:.2f} requests/s, what LlamaDist+TO can do.</p>"
    ]
    for point in made["points"]:
        rows = [
            (arm, *(f"{found[name]:.2f}" for name in ("mean", "p50", "p95", "p99", "first_token")))
            for arm, found in point["arms"].items()
        ]
        parts.append(
            f"<h3>Utilisation {point['utilisation']:g}, seconds</h3>"
            + _table(("arm", "mean", "p50", "p95", "p99", "first token"), rows)
        )
    return "".join(parts)


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells may hold markup of this module's own."""
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"

"""The results as tables and as one page; both say what is emulated. Real engines are in no page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.apps.cases import CASES, OURS, TUNED
from benchmarks.apps.closed import CROWD
from benchmarks.apps.measured import geometric
from benchmarks.apps.real import REAL

Json = dict[str, Any]
HERE: Final = Path(__file__).parent
TEMPLATE: Final = HERE / "results.html.j2"
TITLE: Final = "The paper's apps as LlamaIndex programs, emulated"
_HEAD: Final = ("app", "original", "tuned", "ayo", "of original", "of tuned", "of the bound")
FULL: Final = (
    f"Full: what the original answers to {CROWD} users. Ahead: the share of calls that ran ahead."
)
BUSY: Final = 0.3
"""Share of the time from which on an engine is named as one that limits."""
_LOADED: Final = ("app", "requests/s", "mean", "p95", "sustained")
_CLOSED: Final = ("app", "users", "throughput", "mean", "p95", "full", "ahead", "answers")


def measurements(results: Json) -> Iterator[Json]:
    """Each of them."""
    for apps in results.values():
        for app in apps.values():
            yield from app.values()


def text(results: Json) -> str:
    """Tables of a terminal's width."""
    lines = []
    for profile, apps in results.items():
        engines = "real engines on cores" if profile == REAL else f"emulated {profile}"
        if alone := rows(apps):
            lines += [f"{engines}, one user; seconds a question, by the engines' clock", ""]
            lines += [*_aligned([_HEAD, *alone]), "", *summary(apps), ""]
        if found := users(apps):
            lines += [f"{engines}, users who never pause; times as good as the original", ""]
            lines += [*_aligned([_CLOSED, *found]), "", FULL, *awaited(apps), ""]
        if found := under_load(apps):
            lines += [f"{engines}, under load: the original at 80 %; times as good", ""]
            lines += [*_aligned([_LOADED, *found]), "", *awaited(apps), ""]
    return "\n".join(lines) + "\n"


def rows(apps: Json) -> list[tuple[str, ...]]:
    """A row for each app that was measured at one user."""
    return [_row(name, apps[name]["alone"]) for name in CASES if "alone" in apps.get(name, {})]


def _row(name: str, found: Json) -> tuple[str, ...]:
    seconds = found["seconds"]
    shown = (_seconds(seconds.get(arm)) for arm in ("original", TUNED, OURS))
    over_tuned = _over_tuned(found)
    bound = found["of_the_bound"]
    return (
        name,
        *shown,
        _interval(found["over_original"][OURS]),
        "-" if over_tuned is None else f"{over_tuned:.2f}x",
        "-" if bound is None else _percent(bound),
    )


def _over_tuned(found: Json) -> float | None:
    tuned = found["over_original"].get(TUNED)
    if tuned is None:
        return None
    return float(found["over_original"][OURS]["value"] / tuned["value"])


def figures(apps: Json) -> Json:
    """What is made of the paper's four apps together."""
    four = [a["alone"] for a in apps.values() if "alone" in a and a["alone"]["paper"]]
    over = [each["over_original"][OURS]["value"] for each in four]
    tuned = [x for each in four if (x := _over_tuned(each)) is not None]
    return {
        "apps": len(four),
        "over_original": geometric(over),
        "most": max(over, default=float("nan")),
        "least": min(over, default=float("nan")),
        "over_tuned": geometric(tuned),
    }


def summary(apps: Json) -> list[str]:
    """In words."""
    found = figures(apps)
    if not found["apps"]:
        return []
    return [
        f"the paper's {found['apps']}: {found['over_original']:.2f}x of the original in the "
        f"geometric mean, {found['least']:.2f}x to {found['most']:.2f}x; "
        f"{found['over_tuned']:.2f}x of the tuned program"
    ]


def under_load(apps: Json) -> list[tuple[str, ...]]:
    """A row for each app that was measured while questions arrive."""
    found: list[tuple[str, ...]] = []
    for name in CASES:
        if (load := apps.get(name, {}).get("loaded")) is None:
            continue
        original, ours = load["arms"]["original"], load["arms"][OURS]
        tails = [each["p95"] and each["p95"]["value"] for each in (original, ours)]
        throughput = load["throughput"]
        found.append(
            (
                name,
                f"{load['rate']:.2f}",
                f"{original['mean'] / ours['mean']:.2f}x",
                f"{tails[0] / tails[1]:.2f}x" if all(tails) else "-",
                f"{throughput[OURS] / throughput['original']:.2f}x",
            )
        )
    return found


def users(apps: Json) -> list[tuple[str, ...]]:
    """A row for each app and number of users who never pause."""
    return [
        _of_users(name, found)
        for name in CASES
        for found in sorted(apps.get(name, {}).values(), key=lambda each: each.get("users", 0))
        if "users" in found
    ]


def _of_users(name: str, found: Json) -> tuple[str, ...]:
    throughput, full = found.get("throughput"), found.get("full")
    said = "same" if found["same"] else "DIFFER"
    if throughput is None:
        return (name, str(found["users"]), *("-",) * 5, said)
    return (
        name,
        str(found["users"]),
        _interval(throughput),
        f"{found['mean']:.2f}x",
        f"{found['p95']:.2f}x",
        "-" if full is None else f"{full:.2f}x",
        _percent(found["ahead"]),
        said,
    )


def awaited(apps: Json) -> list[str]:
    """Which apps are asked as endpoints, by several at once."""
    names = [
        name
        for name, case in CASES.items()
        if case.endpoint and apps.get(name, {}).keys() - {"alone", "1 user"}
    ]
    return [f"{name} as an endpoint that is awaited: all callers share one loop" for name in names]


def html(results: Json) -> str:
    """The page.

    Raises:
        ImportError: what draws it (the extra ``bench``) is not installed.
    """
    from ayo_bridge.pages.charts import Bar, speedups
    from ayo_bridge.pages.content import Mark, Plot, Section, Table, Tile, keys
    from ayo_bridge.pages.page import render

    tiles, sections = [], []
    for profile, apps in results.items():
        found = figures(apps)
        if not found["apps"]:
            continue
        tiles += [
            Tile(f"{found['over_original']:.2f}x", f"of the original, {profile}"),
            Tile(f"{found['over_tuned']:.2f}x", f"of the tuned program, {profile}"),
        ]
        bars = [
            Bar(name, each["over_original"][OURS]["value"], "accelerated", _best(each))
            for name in CASES
            if (each := apps.get(name, {}).get("alone"))
        ]
        tables = [Table(_HEAD, rows(apps))]
        if loads := under_load(apps):
            said = ["The original at 80 % of what it can: times as good", *awaited(apps)]
            tables.append(Table(_LOADED, loads, "; ".join(said)))
        tables.append(Table(("app", "why not more"), why(apps), folded=True, title="What limits"))
        sections.append(
            Section(
                f"Emulated {profile}",
                says="One user; median seconds of a question by the engines' clock. Ticks: what "
                "the data dependencies allow.",
                legend=keys(["accelerated"], Mark.BAR) + keys(["bound"], Mark.TICK),
                plots=[Plot("Times as fast as the original", speedups(bars))],
                tables=tables,
            )
        )
    return render(TEMPLATE, title=TITLE, figures=tiles, summary=[], sections=sections)


def why(apps: Json) -> list[tuple[str, str]]:
    """What bench says of each app: where its time went, and what would shorten it."""
    said = []
    for name in CASES:
        if (found := apps.get(name, {}).get("alone")) is None:
            continue
        waited = ", ".join(f"{what} {s:.2f} s" for what, s in found["waited_for"].items())
        use = ", ".join(
            f"{engine} {busy:.0%} of the time, {calls / busy:.1f} calls at once"
            for engine, (busy, calls) in found["at_once"].items()
            if busy >= BUSY
        )
        text = f"Waited for {waited}, own code {found['own']:.2f} s."
        said.append((name, " ".join([text, f"Busy: {use}." if use else "", *found["advice"]])))
    return said


def _best(found: Json) -> float | None:
    share, ratio = found["of_the_bound"], found["over_original"][OURS]["value"]
    return ratio / share if share else None


def _seconds(figure: Json | None) -> str:
    return "-" if figure is None else f"{figure['value']:.2f} s"


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def _interval(figure: Json) -> str:
    if figure["low"] is None or figure["high"] is None:
        return f"{figure['value']:.2f}x"
    return f"{figure['value']:.2f}x ({figure['low']:.2f}-{figure['high']:.2f})"


def _aligned(table: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]

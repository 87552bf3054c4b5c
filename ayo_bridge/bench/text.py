"""A report for people: the verdict, then tables that fit into 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from ayo_bridge.bench.arms import LEFT_OUT
from ayo_bridge.bench.conditions import sentence
from ayo_bridge.bench.figures import ArmFigures, LoadFigures, Ratio
from ayo_bridge.bench.report import Report, times
from ayo_bridge.bench.statistics import LEAST, Figure
from ayo_bridge.observe.wording import columns, counted, duration

WIDTH: Final = 80
_INDENT: Final = "    "


_INGESTED: Final = (
    "{rounds}, the arms in turns (forward, then backward), each run into a place of its own; the "
    "same documents had been ingested by both before, so that caches of servers are warm for "
    "both. The ratio is the median of pairs of runs, 95 % intervals are bootstrapped over them. "
    "Ids of chunks were not compared: they are drawn at random. Memory is what the process took "
    "beyond what it had before the run, at most; CPU is that of this process for a run."
)


def as_text(report: Report) -> str:
    """All of it."""
    blocks = [
        [*_wrapped(f"{report.verdict}."), *_wrapped(f"{_capital(report.identity.line)}.")],
        _differences(report),
        _wrapped(_what(report)),
        _latency(report.loads) if report.said.corpus is None else _ingestion(report),
        _first(report.loads),
        _others(report),
        _ablation(report),
        _path(report),
        _engines(report),
        [line for each in report.advice for line in _wrapped(each)],
        _conditions(report),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _what(report: Report) -> str:
    said = report.said
    if said.corpus is not None:
        found = [counted(said.corpus.documents, "document")]
        found += [counted(said.corpus.chunks, "chunk")] if said.corpus.chunks else []
        return f"{said.target} ({said.what}.{said.entry}), {', '.join(found)}."
    asked = counted(said.questions, "question")
    if said.questions != said.sessions:
        asked += f" in {counted(said.sessions, 'conversation')}"
    return f"{said.target} ({said.what}), {asked}."


def _differences(report: Report) -> list[str]:
    lines: list[str] = []
    for each in report.identity.differences[:5]:
        lines += [*_wrapped(each.question), f"  {each.what}"]
        for side, text in (("original", each.original), ("accelerated", each.accelerated)):
            lines += [f"  {side}:", *_wrapped(text or "(nothing)", _INDENT)]
    more = len(report.identity.differences) - 5
    return [*lines, f"and {more} more"] if more > 0 else lines


def _latency(loads: Sequence[LoadFigures]) -> list[str]:
    if not loads:
        return []
    rows: list[tuple[str, ...]] = [
        ("load", "arm", "p50 (95 %)", "p95", "p99", "calls/s", "CPU"),
    ]
    for load in loads:
        compared = [arm for arm in load.arms if not arm.arm.startswith(LEFT_OUT)]
        for at, arm in enumerate(compared):
            rows.append((load.load if at == 0 else "", *_row(arm, arm.latency)))
            if at == 1:
                ratio = _times(load.ratio.latency)
                rows.append(("", "ratio", ratio, "", "", _rate(load.ratio), ""))
    return columns(rows, right="llrrrrr")


def _ingestion(report: Report) -> list[str]:
    rows = [("arm", "a run (95 %)", "documents/s", "chunks/s", "memory", "CPU")]
    for load in report.loads:
        for arm in load.arms[:2]:
            rows.append((arm.arm, _seconds(arm.latency.get("p50")), *ingested(report, arm)))
        rate = _rate(load.ratio)
        rows.append(("ratio", _times(load.ratio.latency), rate, rate, "", ""))
    return columns(rows, right="lrrrrr") if report.loads else []


def ingested(report: Report, arm: ArmFigures) -> tuple[str, str, str, str]:
    """Documents and chunks a second, memory and CPU of an arm that ingests."""
    rates = report.rates(arm)
    documents, chunks = (f"{each:.3g}" if each else "-" for each in rates or (0.0, 0.0))
    memory = "-" if arm.memory is None else f"{arm.memory.value / 2**20:.0f} MiB"
    return documents, chunks, memory, _point(arm.cpu)


def _row(arm: ArmFigures, figures: dict[str, Figure]) -> tuple[str, ...]:
    throughput = f"{arm.throughput.value:.2f}" if arm.throughput else "-"
    return (
        arm.arm,
        _seconds(figures.get("p50")),
        _point(figures.get("p95")),
        _point(figures.get("p99")),
        throughput,
        _point(arm.cpu),
    )


def _first(loads: Sequence[LoadFigures]) -> list[str]:
    rows: list[tuple[str, ...]] = [("load", "arm", "first p50 (95 %)", "p95", "p99")]
    for load in loads:
        for at, arm in enumerate(load.arms[:2]):
            if arm.first:
                rows.append((load.load if at == 0 else "", *_row(arm, arm.first)[:4]))
        if load.ratio.first is not None:
            rows.append(("", "ratio", _times(load.ratio.first), "", ""))
    return columns(rows, right="llrrr") if len(rows) > 1 else []


def _others(report: Report) -> list[str]:
    """All arms against the first, where there are more than two."""
    first, second, *others = report.said.arms
    others = [arm for arm in others if not arm.startswith(LEFT_OUT)]
    if not others:
        return []
    rows = [("load", "arm", f"times as fast as {first}", "calls/s")]
    for load in report.loads:
        of = {second: load.ratio, **{arm: load.others[arm] for arm in others}}
        for at, (arm, ratio) in enumerate(of.items()):
            rows.append(("" if at else load.load, arm, _times(ratio.latency), _rate(ratio)))
    return columns(rows, right="llrr") if report.loads else []


def _ablation(report: Report) -> list[str]:
    without = [arm for arm in report.said.arms[2:] if arm.startswith(LEFT_OUT)]
    if not without or not report.loads:
        return []
    rows = [("load", "left out", "times as fast")]
    for load in report.loads:
        rows.append((load.load, f"nothing ({report.said.arms[1]})", _times(load.ratio.latency)))
        for arm in without:
            rows.append(("", arm.removeprefix(LEFT_OUT), _times(load.others[arm].latency)))
    return columns(rows, right="llr")


def _path(report: Report) -> list[str]:
    path = report.path
    if not path.stood:
        return []
    rows = [(each.what, duration(each.seconds)) for each in path.stood]
    rows.append(("your code and the framework's", duration(path.own)))
    lines = ["on the critical path of a call, 1 user", *columns(rows, right="lr")]
    if path.bound is not None:
        least, took = duration(path.bound.seconds), duration(path.bound.took)
        lines.append(f"  data dependencies allow {least}; it took {took}")
    return lines


def _engines(report: Report) -> list[str]:
    rows = [("load", "engine", "calls", "busy", "at once", "batch")]
    notes: list[str] = []
    for name, engines in (
        ("original", report.path.original),
        *((load.load, load.work.engines) for load in report.loads),
    ):
        for at, each in enumerate(engines):
            batch = f"{each.batch:.1f}" if each.batch else "-"
            engine = each.engine if len(each.engine) <= 36 else f"{each.engine[:33]}..."
            figures = (str(each.calls), f"{each.busy:.0%}", f"{each.in_flight:.1f}", batch)
            rows.append((name if at == 0 else "", engine, *figures))
    for load in report.loads:
        if load.work.needed:
            work = load.work
            notes += _wrapped(
                f"{load.load}: of {work.needed} engine calls {work.ahead} were made ahead, "
                f"{work.wasted + work.failed} more in vain ({work.wasted_share:.0%}).",
                "  ",
            )
    if len(rows) == 1:
        return notes
    return [
        "engines: the original's at 1 user, then accelerated",
        *columns(rows, right="llrrrr"),
        *notes,
    ]


def _conditions(report: Report) -> list[str]:
    said = report.said
    loads = {load.load for load in report.loads}
    rounds = ", ".join(
        f"{counted(number, 'round')} at {load}"
        for load, number in said.rounds.items()
        if load in loads
    )
    how = (
        f"{rounds or 'No round'}, the arms in turns of a few questions (forward, then backward); "
        "every question had been asked of both before, so that caches of servers are warm for "
        "both. Latencies of arrivals begin when a call was due. Ratios are medians of pairs of "
        "calls, 95 % intervals are bootstrapped over turns and calls; p95 needs "
        f"{LEAST[0.95]} calls, p99 {LEAST[0.99]}. CPU is that of this process for a call."
    )
    lines = [how if said.corpus is None else _INGESTED.format(rounds=rounds or "No round")]
    if report.warm_up is not None:
        found = [
            f"{arm.arm} {_point(arm.latency.get('p50'))} (median of {arm.calls})"
            for arm in report.warm_up.arms[:2]
        ]
        lines.append(f"Warm-up, while it was learning: {', '.join(found)}.")
    lines.append(f"Seed {said.seed}. {sentence(said.conditions)}.")
    variables = said.conditions.get("variables")
    if variables:
        lines.append(" ".join(f"{name}={value}" for name, value in variables.items()))
    return [line for each in lines for line in _wrapped(each)]


def _seconds(figure: Figure | None) -> str:
    """``612 ms (598-633 ms)``."""
    if figure is None:
        return "-"
    if figure.low is None or figure.high is None:
        return duration(figure.value)
    low, high = duration(figure.low), duration(figure.high)
    if low.split()[-1] == high.split()[-1]:
        low = low.split()[0]
    return f"{duration(figure.value)} ({low}-{high})"


def _point(figure: Figure | None) -> str:
    return "-" if figure is None else duration(figure.value)


def _times(figure: Figure | None) -> str:
    return "-" if figure is None else times(figure)


def _rate(ratio: Ratio) -> str:
    found = ratio.throughput
    return f"{found.value:.2f}x" if found is not None else ""


def _wrapped(text: str, indent: str = "") -> list[str]:
    wrapped = textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    return wrapped or [""]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


__all__ = ["as_text", "ingested"]

"""``python -m benchmarks.apps.arms.beside``: the baselines for real beside those of virtual time.

An app's baselines run over emulated engines in turns with the original and with ours, without Ray,
and with ``--ray`` on it, too; then the same schemes of ``benchmarks.paper`` at the same lengths and
the same arrivals, on the virtual clock. A ratio is real time by virtual. All this is emulated.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ayo_bridge.bench import ORIGINAL, Bench, Report, Settings
from ayo_bridge.bench.figures import ArmFigures
from ayo_bridge.bench.loads import Closed, Load, poisson
from ayo_bridge.verify.target import known
from benchmarks.apps import settings, texts
from benchmarks.apps.arms.recorded import Asked, record
from benchmarks.apps.arms.schemes import BASELINES, arms_of, twin
from benchmarks.apps.arms.virtual import FLOWS, mean_latency
from benchmarks.apps.cases import CASES, OURS
from benchmarks.apps.emulation import PROFILES, baselines

BAND: Final = 0.15
Row = dict[str, Any]


def measured(
    app: str,
    made: settings.Settings,
    questions: Sequence[dict[str, Any]],
    loads: Sequence[Load],
    rounds: int,
    arms: Sequence[str],
) -> tuple[Report, list[Asked]]:
    """The arms in turns, and what each question asks of its engines.

    Raises:
        AssertionError: an arm answers otherwise than the original.
    """
    asked = [record(app, made, question) for question in questions]
    offered = {each.name: each for each in (*arms_of(app, made), *CASES[_name(app)].arms(made))}
    bench = Bench(
        known(import_module(app).make(made), "answer"),
        [(question,) for question in questions],
        Settings(loads, warm_up=len(questions), rounds=rounds),
        name=app,
        arms=[ORIGINAL, *(offered[name] for name in arms)],
        told=lambda what, done, of: print(
            f"\r{what}: {done} of {of}\033[K", end="", file=sys.stderr
        ),
    )
    report = bench.run()
    assert not report.differs, report.identity
    return report, asked


def mean(arm: ArmFigures) -> float:
    """Mean seconds of a call."""
    every = [seconds for each in arm.seconds for seconds in each]
    return sum(every) / len(every)


def _name(app: str) -> str:
    return app.rpartition(".")[2]


def _twin(arm: str) -> str:
    return arm if arm == OURS else twin(arm)


def beside(app: str, report: Report, asked: Sequence[Asked], loads: Sequence[Load]) -> list[Row]:
    """A row for each load and arm: seconds for real, without Ray, in virtual time."""
    rows: list[Row] = []
    for found, load in zip(report.loads, loads, strict=True):
        real = {each.arm: mean(each) for each in found.arms}
        row: Row = {"app": app, "load": load.name}
        rows.append(row | {"arm": "original", "real": real["original"]})
        for arm in (each for each in (*BASELINES, OURS) if _twin(each) in real):
            virtual = mean_latency(arm, app, asked, PROFILES[0], load)
            times = {"real": real[_twin(arm)], "ray": real.get(arm) if arm != OURS else None}
            rows.append(row | {"arm": arm, "virtual": virtual} | times)
    return rows


def table(rows: Sequence[Row]) -> str:
    """Times in seconds."""
    head = f"{'app':10}{'load':>7}  {'arm':16}{'in process':>10}{'on Ray':>8}{'virtual':>9}"
    lines = [f"{head}{'ratio':>7}{'on Ray':>8}"]
    for row in rows:
        real, ray, virtual = row["real"], row.get("ray"), row.get("virtual")
        line = f"{row['app']:10}{row['load']:>7}  {row['arm']:16}"
        line += _aligned((real, 10), (ray, 8), (virtual, 9))
        if virtual:
            line += _aligned((real / virtual, 7), (ray and ray / virtual, 8))
        lines.append(line.rstrip())
    return "\n".join(lines) + "\n"


def _aligned(*figures: tuple[float | None, int]) -> str:
    return "".join(f"{'' if each is None else f'{each:.2f}':>{width}}" for each, width in figures)


def off(rows: Sequence[Row]) -> list[str]:
    """What is off by more than the band, on Ray or without it."""
    return [
        f"{row['app']} {row['arm']} at {row['load']}{where} {row[of] / row['virtual']:.2f}"
        for row in rows
        for of, where in (("real", ""), ("ray", " on Ray"))
        if row.get("virtual") and row.get(of) and abs(row[of] / row["virtual"] - 1) > BAND
    ]


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0: write 1 or more")
    return int(text)


def _above_zero(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text} is no number above 0: write one such as 0.5 or 2")


def loads_of(users: Sequence[int], rates: Sequence[float], seconds: float) -> list[Load]:
    """Users at a time, then arrivals.

    Raises:
        ValueError: there are none, or less than one arrival is to be expected of a rate.
    """
    if not users and not rates:
        raise ValueError("nothing is asked: give --users, --rate, or both")
    for rate in rates:
        if rate * seconds < 1:
            expected = f"{rate:g}/s for {seconds:g} s is less than one arrival"
            raise ValueError(f"{expected}: raise --seconds or --rate")
    return [*map(Closed, users), *(poisson(rate, seconds) for rate in rates)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--app", choices=sorted(FLOWS), action="append")
    parser.add_argument("--questions", type=_count, default=8)
    parser.add_argument("--users", type=_count, nargs="*", default=[1, 4])
    parser.add_argument("--rate", type=_above_zero, nargs="*", default=[], help="arrivals a second")
    parser.add_argument("--seconds", type=_above_zero, default=30.0, help="of arrivals, a round")
    parser.add_argument("--rounds", type=_count, default=1)
    known_arms = (*BASELINES, OURS)
    parser.add_argument("--arms", nargs="+", default=known_arms, choices=known_arms, metavar="ARM")
    parser.add_argument("--ray", action="store_true", help="measure them on Ray, too")
    parser.add_argument("--json", type=Path)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, compare, and say what is off by more than the band."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        loads = loads_of(options.users, options.rate, options.seconds)
    except ValueError as error:
        parser.error(str(error))
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    rows: list[Row] = []
    on_ray = [arm for arm in options.arms if arm != OURS] if options.ray else []
    arms = [*map(_twin, options.arms), *on_ray]
    for app in options.app or sorted(FLOWS):
        questions = texts.asked()[: options.questions]
        with baselines(PROFILES[0], speed=1.0) as made:
            module = f"benchmarks.apps.{app}"
            found = measured(module, made, questions, loads, options.rounds, arms)
        rows += beside(app, *found, loads)
        print(file=sys.stderr)
    print(table(rows), end="")
    if options.json is not None:
        known: list[Row] = json.loads(options.json.read_text()) if options.json.exists() else []
        kept = {(row["app"], row["load"], row["arm"]): row for row in (*known, *rows)}
        options.json.write_text(json.dumps([*kept.values()], indent=1) + "\n", encoding="utf-8")
    wrong = off(rows)
    print(f"off by more than {BAND:.0%}: {', '.join(wrong) or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

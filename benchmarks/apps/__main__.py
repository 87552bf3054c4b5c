"""``python -m benchmarks.apps``: the paper's apps as they are, tuned, and accelerated.

Every engine is emulated by published costs; with ``--profile vLLM`` all are real, on this machine's
cores, and 1, 4 and 8 users ask. Each profile and app is measured by itself and kept in
``results.json`` beside this file as soon as it is done; the page is made of what is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks.apps import page
from benchmarks.apps.cases import CASES
from benchmarks.apps.closed import CROWD, closed
from benchmarks.apps.emulation import PROFILES
from benchmarks.apps.measured import Plan, alone, loaded, of_machine
from benchmarks.apps.real import REAL, USERS

Json = dict[str, Any]
HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results.json"
PAGE: Final = HERE / "results.html"


def main(arguments: list[str] | None = None) -> int:
    """Measure, show, and say whether the answers were the same."""
    options = _options(arguments)
    results = _known(options.json)
    for profile in options.profile:
        for name in options.apps:
            for kind, found in _measure(profile, name, options):
                results.setdefault(profile, {}).setdefault(name, {})[kind] = found
                options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(page.text(results), end="")
    if options.page is not None:
        options.page.write_text(page.html(results), encoding="utf-8")
        print(f"written: {options.page}", file=sys.stderr)
    same = all(each["same"] for each in page.measurements(results))
    return 0 if same else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.apps", description=__doc__)
    plan = Plan()
    parser.add_argument("apps", nargs="*", metavar="APP", help=f"of {', '.join(CASES)}; all")
    parser.add_argument("--profile", nargs="*", default=PROFILES, help=f"emulated LLMs, {REAL}")
    parser.add_argument("--speed", type=float, default=plan.speed, help="how many times as fast")
    parser.add_argument("--questions", type=int, default=plan.questions)
    parser.add_argument("--rounds", type=int, default=plan.rounds)
    parser.add_argument("--users", type=int, nargs="*", default=[], help="who never pause")
    no_crowd = f"do not ask by {CROWD} users too"
    parser.add_argument("--no-crowd", dest="crowd", action="store_false", help=no_crowd)
    parser.add_argument("--load", action="store_true", help="measure arrivals instead of one user")
    parser.add_argument("--seconds", type=float, default=plan.seconds, help="of arrivals, a round")
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=None)
    parser.add_argument("--page-only", action="store_true", help="measure nothing")
    options = parser.parse_args(arguments)
    if unknown := set(options.apps) - CASES.keys():
        parser.error(f"there is no app {', '.join(sorted(unknown))}: take {', '.join(CASES)}")
    options.apps = [] if options.page_only else options.apps or list(CASES)
    return options


def _known(path: Path) -> Json:
    if not path.is_file():
        return {}
    known: Json = json.loads(path.read_text(encoding="utf-8"))
    return known


def _measure(profile: str, name: str, options: argparse.Namespace) -> Iterator[tuple[str, Json]]:
    """What is measured of an app, each under its name, as soon as it is."""
    case = CASES[name]
    plan = Plan(options.speed, options.questions, options.rounds, options.seconds, options.crowd)
    users = options.users
    if profile == REAL:
        plan = replace(plan, speed=1.0)
        users = users or ([] if options.load else USERS)
    measured: Iterable[tuple[str, Json]]
    if users:
        measured = closed(case, profile, users, plan, _tell)
    elif options.load:
        measured = [("loaded", loaded(case, profile, plan, _tell))]
    else:
        measured = [("alone", alone(case, profile, plan, _tell))]
    made = {"speed": plan.speed, "questions": plan.questions, "rounds": plan.rounds}
    for kind, found in measured:
        print("", file=sys.stderr)
        yield kind, found | made | {"conditions": of_machine()}


def _tell(what: str) -> None:
    print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

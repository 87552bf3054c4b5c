"""``python -m benchmarks.apps``: the paper's apps as they are, tuned, and accelerated; emulated.

Every engine is emulated by published costs. Each profile and app is measured by itself and kept in
``results.json`` beside this file as soon as it is done; the page is made of what is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.apps import page
from benchmarks.apps.cases import CASES
from benchmarks.apps.emulation import PROFILES
from benchmarks.apps.measured import Plan, alone, loaded, of_machine

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
            _measure(results, profile, name, options)
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
    parser.add_argument("--profile", nargs="*", default=PROFILES, help="emulated LLMs")
    parser.add_argument("--speed", type=float, default=plan.speed, help="how many times as fast")
    parser.add_argument("--questions", type=int, default=plan.questions)
    parser.add_argument("--rounds", type=int, default=plan.rounds)
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


def _measure(results: Json, profile: str, name: str, options: argparse.Namespace) -> None:
    plan = Plan(options.speed, options.questions, options.rounds, options.seconds)
    measure, kind = (loaded, "loaded") if options.load else (alone, "alone")
    found = measure(CASES[name], profile, plan, _tell)
    print("", file=sys.stderr)
    made = {"speed": plan.speed, "questions": plan.questions, "rounds": plan.rounds}
    of_app = results.setdefault(profile, {}).setdefault(name, {})
    of_app[kind] = found | made | {"conditions": of_machine()}


def _tell(what: str) -> None:
    print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

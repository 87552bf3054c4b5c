"""``python -m benchmarks.apps.arms.check``: on Ray, every baseline answers as the original does.

Needs ``pip install 'ayo-bridge[ray]'``. Ray and its actors take about a minute to start on two
cores, so this is no test of ``make test``: there the twins without Ray are compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from ayo_bridge.bench import BenchError
from ayo_bridge.verify.target import known
from benchmarks.apps import texts
from benchmarks.apps.arms.on_ray import OnRay
from benchmarks.apps.arms.schemes import BASELINES, arms_of
from benchmarks.apps.emulation import PROFILES, baselines
from benchmarks.apps.settings import Settings


def check(app: str, settings: Settings, questions: Sequence[dict[str, Any]]) -> list[str]:
    """The names of the arms that answer otherwise."""
    original = import_module(app).make(settings)
    wanted = [original(**question) for question in questions]
    loaded = known(original, "answer")
    wrong = []
    with ThreadPoolExecutor(len(questions)) as users:
        for each in arms_of(app, settings):
            if each.name in BASELINES:
                made = each.make(loaded, len(questions))
                found = [*users.map(lambda asked, of=made: of.obj(**asked), questions)]
                made.close()
                same = found == wanted
                print(f"{each.name:16}{'the same' if same else 'DIFFERS'}", flush=True)
                wrong += [] if same else [each.name]
    return wrong


def main() -> int:
    """Compare, and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--app", default="benchmarks.apps.naive")
    parser.add_argument("--questions", type=int, default=3)
    parser.add_argument("--speed", type=float, default=8.0)
    options = parser.parse_args()
    try:
        ray = OnRay()  # Held, so that all arms share it.
    except BenchError as error:
        print(error)
        return 2
    try:
        with baselines(PROFILES[0], options.speed) as settings:
            wrong = check(options.app, settings, texts.asked()[: options.questions])
    finally:
        ray.close()
    print(f"answers differ: {', '.join(wrong) or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.conformance``: the frameworks' own tests, as they are and accelerated.

Exits with 1 if a test fails or passes only accelerated, with 3 if there are no sources.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.conformance.run import Arm, Outcomes, only_accelerated, run
from tests.conformance.sources import LOCK, cached_sources, locked_version
from tests.conformance.suites import SUITES, Suite

UNAVAILABLE: Final = 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.conformance", description=__doc__)
    parser.add_argument("--all", action="store_true", help="not only the part that CI runs")
    parser.add_argument("--every", action="store_true", help="accelerate what runnables call too")
    parser.add_argument("--only", help="of one distribution, as langchain-core")
    parser.add_argument("--show", action="store_true", help="pytest's output, too")
    parser.add_argument("tests", nargs="*", help="files or ids of tests; needs --only")
    chosen = parser.parse_args(arguments)
    if chosen.tests and not chosen.only:
        parser.error("tests are named with --only DISTRIBUTION")
    lock = LOCK.read_text("utf-8")
    suites = [suite for suite in SUITES if locked_version(suite.distribution, lock)]
    try:
        sources = cached_sources(tuple(suite.distribution for suite in suites))
    except subprocess.CalledProcessError as error:
        print(f"not run: the frameworks' sources could not be downloaded ({error})")
        return UNAVAILABLE
    failed = False
    for suite in suites:
        if chosen.only in (None, suite.distribution):
            tests = chosen.tests or (suite.whole if chosen.all else suite.part)
            plain = Arm(sources, suite)
            fast = Arm(sources, suite, accelerated=True, every=chosen.every, show=chosen.show)
            failed |= _compare(suite, plain, fast, tests)
    return int(failed)


def _compare(suite: Suite, plain: Arm, fast: Arm, tests: Sequence[str]) -> bool:
    """Whether a test fails, or passes, only accelerated."""
    started = time.monotonic()
    original, accelerated = run(plain, tests), run(fast, tests)
    suspects = only_accelerated(original, accelerated)
    gained = only_accelerated(accelerated, original)
    if gained:
        # What passes by chance fails alone, or passes as it is as well.
        alone = run(plain, gained)
        gained = [test for test in gained if alone.get(test) != "passed"]
    if suspects:
        # What fails by chance passes alone; what fails alone as it is was not ours.
        again = run(fast, suspects)
        still = [test for test in suspects if again.get(test) != "passed"]
        suspects = only_accelerated(run(plain, still), again) if still else []
    _report(suite, original, accelerated, suspects, gained, time.monotonic() - started)
    return bool(suspects or gained)


def _report(
    suite: Suite,
    original: Outcomes,
    accelerated: Outcomes,
    ours: list[str],
    gained: list[str],
    seconds: float,
) -> None:
    counts = [sum(each == "passed" for each in arm.values()) for arm in (original, accelerated)]
    print(
        f"{suite.distribution}: {len(original)} tests; {counts[0]} pass as they are, "
        f"{counts[1]} accelerated; {len(ours)} fail only accelerated ({seconds:.0f} s)"
    )
    for test, reason in suite.left_out.items():
        print(f"  left out: {test}: {reason}")
    for test, outcome in original.items():
        if outcome == "failed":
            print(f"  not ours: {test}")
    for test in ours:
        print(f"  FAILS ONLY ACCELERATED: {test}")
    for test in gained:
        # It asserts that something fails, or does not happen, that we keep from happening.
        print(f"  PASSES ONLY ACCELERATED: {test}")
    sys.stdout.flush()


if __name__ == "__main__":
    assert Path("pyproject.toml").exists(), "run it in the repository's root"
    sys.exit(main())

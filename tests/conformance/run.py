"""One arm of the comparison: a run of pytest, and what became of its tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from tests.conformance.sources import Sources
from tests.conformance.suites import Suite

Outcomes: TypeAlias = Mapping[str, str]
"""Ids of tests, each with ``passed``, ``failed`` or ``skipped``."""
_PLUGINS: Final = Path(__file__).resolve().parent
_OFFLINE: Final = {
    "HF_HUB_OFFLINE": "1",
    "AYO_TEMPLATES": "0",
    "AYO_MEASURE": "0",
    "LANGSMITH_TRACING": "false",
    "NO_DOCKER": "true",
}


@dataclass(frozen=True, slots=True)
class Arm:
    """How the tests of a suite are run: as they are, or accelerated.

    ``every`` accelerates what runnables call too, not only what tests call; ``show`` prints what
    pytest prints.
    """

    sources: Sources
    suite: Suite
    accelerated: bool = False
    every: bool = False
    show: bool = False

    def environment(self, profiles: Path) -> dict[str, str]:
        """The environment variables of the run."""
        path = os.pathsep.join((str(self.sources.packages), str(_PLUGINS)))
        return {
            **os.environ,
            **_OFFLINE,
            "PYTHONPATH": path,
            "AYO_PROFILE_DIR": str(profiles),
            "AYO_CONFORMANCE": "every" if self.every else "calls",
        }

    def options(self, outcomes: Path) -> list[str]:
        """The options of pytest."""
        options = ["-q", "--tb=short", "--timeout=60", "-p", "no:cacheprovider", "-p", "no:xdist"]
        options += ["-p", "outcomes", f"--outcomes={outcomes}"]
        if self.accelerated:
            options += ["-p", "accelerating"]
        return options + [f"--deselect={test}" for test in self.suite.left_out]


def run(arm: Arm, tests: Sequence[str]) -> Outcomes:
    """Run ``tests`` (files, folders or ids); failures are listed, not raised.

    Raises:
        RuntimeError: pytest wrote no outcomes; its last lines.
    """
    with tempfile.TemporaryDirectory(prefix="conformance-") as made:
        outcomes = Path(made, "outcomes.json")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arm.options(outcomes), *tests],
            cwd=arm.sources.of(arm.suite.distribution),
            env=arm.environment(Path(made, "profiles")),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if not outcomes.exists():
            raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout[-4000:]}")
        if arm.show:
            print(done.stdout)
        found: Outcomes = json.loads(outcomes.read_text("utf-8"))
    return found


def only_accelerated(original: Outcomes, accelerated: Outcomes) -> list[str]:
    """The tests that pass as they are and not accelerated, in their order."""
    return [
        test
        for test, outcome in original.items()
        if outcome == "passed" and accelerated.get(test) != "passed"
    ]

"""Looks for an example in which the arms differ, and for a small one of its kind."""

from __future__ import annotations

import sys
import time
import traceback
from typing import Final

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from tests.compositions.algebra import Node
from tests.compositions.compare import QUESTIONS, Comparing
from tests.compositions.drawing import TREES, Example, examples

SHRINKING: Final = 60.0
"""Seconds for making an example smaller."""


class _DifferenceError(AssertionError):
    """The arms differ."""


def smallest_difference(
    compared: Comparing,
    seed: int,
    count: int,
    entry: str | None = None,
    trees: SearchStrategy[Node] = TREES,
) -> str | None:
    """The smallest example found in which the arms differ, and how; prints the first one.

    Hypothesis draws ``count`` examples by ``seed``; ``entry``: all asked by that one.
    """
    found: list[tuple[Example, str]] = []
    until: list[float] = []
    entries = (entry,) if entry else compared.world.entries

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(examples(entries, QUESTIONS, trees))
    def arms_agree(example: Example) -> None:
        if until and time.monotonic() > until[0]:
            return
        difference = _difference(compared, example)
        if difference is not None:
            if not found:
                print(f"first: {example}\n  {difference}", file=sys.stderr, flush=True)
                until.append(time.monotonic() + SHRINKING)
            found.append((example, difference))
            raise _DifferenceError

    try:
        arms_agree()
    except (_DifferenceError, hypothesis.errors.Flaky):
        return "smallest: {}\n  {}".format(*found[-1])
    return None


def _difference(compared: Comparing, example: Example) -> str | None:
    try:
        return compared.difference(example)
    except Exception:
        return f"comparing failed:\n{traceback.format_exc()}"

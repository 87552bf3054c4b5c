"""What came of comparing, in words and as JSON: the verdict first."""

from __future__ import annotations

import enum
import json
import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

_LONGEST: Final = 400
_INDENT: Final = "    "


class Outcome(enum.StrEnum):
    """What became of one question."""

    SAME = "same"
    BY_REQUEST = "same by request"
    """The engine answered equal requests differently; on the same answers both did the same."""
    DRAWN = "same but for what is drawn"
    """On the same answers the original says something else in each run, such as ids: the rest is
    the same."""
    DIFFERS = "differs"
    NOT_VERIFIED = "not verified"


@dataclass(frozen=True, slots=True)
class Compared:
    """One question: ``what`` differs or prevented it, and both sides, cut to what differs."""

    question: str
    outcome: Outcome
    what: str = ""
    original: str = ""
    accelerated: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All questions, in their order.

    Args:
        target: as it was named, with the entry that was called.
        ahead: how many engine calls of the accelerated object were served from ahead.
    """

    target: str
    compared: tuple[Compared, ...]
    ahead: int = 0

    def count(self, *outcomes: Outcome) -> int:
        """How many questions came to one of these."""
        return sum(each.outcome in outcomes for each in self.compared)

    @property
    def differences(self) -> tuple[Compared, ...]:
        """The questions that were not answered alike."""
        return tuple(each for each in self.compared if each.outcome is Outcome.DIFFERS)

    @property
    def verdict(self) -> str:
        """One line: ``37 of 37 calls the same; 2 not verified: it raised ValueError``."""
        same = self.count(Outcome.SAME, Outcome.BY_REQUEST, Outcome.DRAWN)
        verified = same + len(self.differences)
        said = [f"{same} of {verified} call{'' if verified == 1 else 's'} the same"]
        if by_request := self.count(Outcome.BY_REQUEST):
            said.append(f"{by_request} of them by request, as the engine samples")
        if drawn := self.count(Outcome.DRAWN):
            said.append(f"{drawn} of them but for what the original draws anew in each run")
        why = Counter(each.what for each in self.compared if each.outcome is Outcome.NOT_VERIFIED)
        if why:
            reasons = ", ".join(dict(why.most_common(3)))
            said.append(f"{why.total()} not verified: {reasons}")
        return "; ".join(said)


def as_text(report: Report, width: int = 100) -> str:
    """The verdict, then each difference with both sides."""
    lines = [f"{report.verdict}.", f"{report.target}: {report.ahead} engine calls served ahead."]
    for each in report.differences:
        lines += ["", f"{_cut(each.question)}", f"  {each.what}"]
        for side, text in (("original", each.original), ("accelerated", each.accelerated)):
            wrapped = textwrap.wrap(_cut(text), width - len(_INDENT)) or ["(nothing)"]
            lines += [f"  {side}:", *(_INDENT + line for line in wrapped)]
    return "\n".join(lines) + "\n"


def as_json(report: Report) -> str:
    """The same for programs."""
    data: dict[str, Any] = {
        "verdict": report.verdict,
        "target": report.target,
        "served_ahead": report.ahead,
        "counts": {outcome.value: report.count(outcome) for outcome in Outcome},
        "calls": [
            {
                "question": each.question,
                "outcome": each.outcome.value,
                "what": each.what,
                "original": each.original,
                "accelerated": each.accelerated,
            }
            for each in report.compared
        ],
    }
    return json.dumps(data, ensure_ascii=False, indent=2)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


__all__ = ["Compared", "Outcome", "Report", "as_json", "as_text"]

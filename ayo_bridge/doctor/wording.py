"""A report as text for a terminal, and as JSON."""

from __future__ import annotations

import json
import textwrap
from itertools import groupby
from typing import Final

from ayo_bridge.doctor.checks import Check, Level, Report

_MARKS: Final = {Level.OK: "ok", Level.NOTE: "note", Level.PROBLEM: "PROBLEM"}
_INDENT: Final = 11


def as_text(report: Report, width: int = 80) -> str:
    """The findings by area, each with what to change; the last line counts them."""
    lines: list[str] = []
    for area, checks in groupby(report.checks, key=lambda check: check.area):
        lines.append(area.value.capitalize())
        for check in checks:
            lines += _lines(check, width)
        lines.append("")
    problems, notes = (
        sum(check.level is level for check in report.checks)
        for level in (Level.PROBLEM, Level.NOTE)
    )
    lines.append(f"{_counted(problems, 'problem')}, {_counted(notes, 'note')}.")
    return "\n".join(lines) + "\n"


def as_json(report: Report) -> str:
    """An object with ``ok`` (no problem) and ``checks``, each with all of its fields."""
    checks = [
        {
            "area": check.area.value,
            "level": check.level.value,
            "what": check.what,
            "advice": check.advice,
        }
        for check in report.checks
    ]
    return json.dumps({"ok": not report.problems, "checks": checks}, indent=1)


def _lines(check: Check, width: int) -> list[str]:
    lines = _wrapped(f"  {_MARKS[check.level]:<{_INDENT - 2}}{plain(check.what)}", _INDENT, width)
    if check.advice:
        lines += _wrapped(f"{'':{_INDENT}}-> {plain(check.advice)}", _INDENT + 3, width)
    return lines


def _wrapped(line: str, indent: int, width: int) -> list[str]:
    return textwrap.wrap(
        line, max(width, 40), subsequent_indent=" " * indent, break_on_hyphens=False
    )


def plain(text: str) -> str:
    """Text without characters that a terminal obeys: names come from servers and files."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"

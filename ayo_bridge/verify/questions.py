"""The questions of a file: one a line, or one JSON object a line."""

from __future__ import annotations

from pathlib import Path

from ayo_bridge.verify.lines import json_of, lines_of
from ayo_bridge.verify.target import Question, VerifyError


def read_questions(path: Path, calls: int | None = None) -> list[Question]:
    """The first ``calls`` questions of a file, or all.

    A line that begins with ``{`` is a mapping of named inputs; any other is a text. Empty lines are
    left out.

    Raises:
        VerifyError: the file cannot be read, holds no question, or a line is no JSON.
    """
    try:
        lines = lines_of(path)
    except (OSError, UnicodeDecodeError) as error:
        raise VerifyError(f"the questions in {path} cannot be read: {error}") from error
    found = [_question(path, at, line) for at, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise VerifyError(f"{path} holds no question: write one a line")
    return found if calls is None else found[:calls]


def _question(path: Path, at: int, line: str) -> Question:
    if not line.lstrip().startswith("{"):
        return line.strip()
    try:
        asked = json_of(line)
    except ValueError as error:
        raise VerifyError(f"line {at} of {path} is no JSON: {error}") from error
    assert isinstance(asked, dict), "JSON that begins with a brace is an object"
    return asked


__all__ = ["Question", "read_questions"]

"""What is asked: single questions, or conversations whose questions follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ayo_bridge.bench.wrong import BenchError
from ayo_bridge.verify import VerifyError, read_questions
from ayo_bridge.verify.lines import json_of, lines_of
from ayo_bridge.verify.target import Question

Session = tuple[Question, ...]
"""Questions that are asked one after the other of one state."""


def read_sessions(path: Path, *, chat: bool = False) -> list[Session]:
    """The questions of a file, each a session of its own; with ``chat``, its conversations.

    Conversations stand apart by empty lines. A line that begins with ``[`` is one by itself: a JSON
    list of its questions.

    Raises:
        BenchError: the file cannot be read, or holds nothing that can be asked.
    """
    if not chat:
        try:
            return [(each,) for each in read_questions(path)]
        except VerifyError as error:
            raise BenchError(str(error)) from error
    try:
        lines = lines_of(path)
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"the questions in {path} cannot be read: {error}") from error
    sessions: list[Session] = []
    block: list[Question] = []
    for at, line in enumerate([*lines, ""], 1):
        if line.strip() and not line.lstrip().startswith("["):
            block.append(line.strip())
            continue
        if block:
            sessions.append(tuple(block))
            block = []
        if line.strip():
            sessions.append(_listed(path, at, line))
    if not sessions:
        raise BenchError(f"{path} holds no question: write one a line")
    return sessions


def sessions_of(asked: Sequence[Session | str | dict[str, Any]]) -> list[Session]:
    """Sessions, of which a question by itself is one.

    Raises:
        BenchError: there is none, or one without a question.
    """
    sessions = [(each,) if isinstance(each, str | dict) else tuple(each) for each in asked]
    if not sessions or not all(sessions):
        raise BenchError("there is nothing to ask: a session has one question at least")
    return sessions


def _listed(path: Path, at: int, line: str) -> Session:
    try:
        asked = json_of(line)
    except ValueError as error:
        raise BenchError(f"line {at} of {path} is no JSON: {error}") from error
    if not (asked and all(isinstance(each, str) for each in asked)):
        raise BenchError(f"line {at} of {path} is no list of questions")
    return tuple(asked)


__all__ = ["Session", "read_sessions", "sessions_of"]

"""What a call that is verified and its second run have in common."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ayo_bridge.record.record import CallRecord

Answer = tuple[object, tuple[object, ...]]
"""What a result says, and what was streamed."""


class Unsaid(enum.Enum):
    """Results of which nothing can be said, so that they are not compared."""

    GOES_ON = enum.auto()
    """It is not over when it is returned: a run, a task, a stream of an unknown kind."""


@dataclass(frozen=True, slots=True)
class Later:
    """What a result says is known only once its call has ended."""

    say: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Again:
    """How the original of a call is run once more, and what the two runs are compared by.

    Args:
        run: runs the original to its end, streams included, on arguments of its own; returns what
            ``said`` says of it and the ``item`` of what it streams.
        said: what a result says, as plain data; ``None`` where that is not known.
        item: what a piece of a stream says.
        untouched: whether the first run has changed anything; the text says what. ``None``: all
            that it does is known, and changes nothing.
        unchanged: whether the original still is what it was when the first run began.
    """

    run: Callable[[], Answer]
    said: Callable[[object], object]
    item: Callable[[object], object]
    untouched: Callable[[], str] | None
    unchanged: Callable[[], bool]


class Verifies(Protocol):
    """Who compares a call with the original."""

    def by(self, again: Again) -> None:
        """Run the original once more, too."""

    def alone(self, why: str) -> None:
        """The original is not run once more."""

    def writes(self, why: str) -> None:
        """The original is not run once more, as it would write, or call tools, twice."""

    def answered(self, result: object) -> None:
        """What the accelerated call returns: looked at now, as its caller may change it."""

    def passed(self, item: object) -> None:
        """What it streams passes by."""

    def ended(self, record: CallRecord) -> None:
        """The call is over."""


def joined(items: list[object]) -> tuple[object, ...]:
    """What was streamed, pieces of text that follow each other as one: timing cuts them."""
    whole: list[object] = []
    for item in items:
        if isinstance(item, str) and whole and isinstance(whole[-1], str):
            whole[-1] += item
        else:
            whole.append(item)
    return tuple(whole)


__all__ = ["Again", "Answer", "Later", "Unsaid", "Verifies", "joined"]

"""What simulated engines did and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Busy:
    """A stretch of virtual time in which one instance of an engine worked.

    Of an LLM that is a step, or several equal decode steps in a row (``steps``): ``items`` are the
    tokens it prefilled and ``decodes`` the sequences it decoded. Of others it is a batch of
    ``calls`` calls with ``items`` items. ``start`` and ``end`` are seconds.
    """

    engine: str
    instance: int
    start: float
    end: float
    calls: int
    items: int
    decodes: int = 0
    steps: int = 1


Trace = Callable[[Busy], None]
"""Is told of every stretch when it has ended; ``list.append`` will do."""


def no_trace(busy: Busy) -> None:
    """Keep nothing."""

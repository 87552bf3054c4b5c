"""What ayo-bridge logs of itself: each event is a sentence, and fields of fixed names.

The sentence is for people. A formatter that writes JSON finds the fields as attributes of the log
record; those that say nothing of an event are ``None``.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final


class Event(enum.StrEnum):
    """What is logged. Its value is the field ``event`` of the log record."""

    BOUND = "bound"
    """The calls of a library are followed."""
    NOT_BOUND = "not_bound"
    """They are not, and why."""
    ACCELERATED = "accelerated"
    """An object of a program that does not know of us is accelerated."""
    LEFT_ALONE = "left_alone"
    """An object, or a part of one, runs as it is, and why."""
    LEARNED = "learned"
    """Calls of an entry go by what was learned of it."""
    DISCARDED = "discarded"
    """What was learned was wrong too often."""
    SWITCHED_OFF = "switched_off"
    """Nothing runs ahead for an object, for a while or for good."""
    REFUSED = "refused"
    """Requests of a client are not made ahead: they would not leave as its own do."""
    MISMATCH = "mismatch"
    """An accelerated call differed from the original."""
    ENGINE_FAILED = "engine_failed"
    """A call to an engine has failed."""
    NOT_EXPORTED = "not_exported"
    """Spans or metrics of calls are lost, and why."""


LEVELS: Final[Mapping[Event, int]] = MappingProxyType(
    {
        Event.BOUND: logging.DEBUG,
        Event.NOT_BOUND: logging.DEBUG,  # Where it matters it is a warning, too.
        Event.ACCELERATED: logging.INFO,
        Event.LEFT_ALONE: logging.INFO,
        Event.LEARNED: logging.INFO,
        Event.DISCARDED: logging.INFO,
        Event.SWITCHED_OFF: logging.WARNING,
        Event.REFUSED: logging.INFO,
        Event.MISMATCH: logging.WARNING,
        Event.ENGINE_FAILED: logging.INFO,
        Event.NOT_EXPORTED: logging.WARNING,
    }
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a log record says besides its sentence; ``None`` where it does not apply."""

    target: str | None = None
    """The accelerated object's class, or the function."""
    entry: str | None = None
    """The method that was called."""
    engine: str | None = None
    """An engine, or the ``host:port`` of several."""
    library: str | None = None
    """A distribution."""
    reason: str | None = None
    accelerated: str | None = None
    """What the accelerated call asked or answered, where it differed; shortened, no headers."""
    original: str | None = None
    """What the original did."""


FIELDS: Final = ("event", *(each.name for each in fields(Facts)))
"""The names of all fields."""
_NOTHING: Final = Facts()


def log(
    logger: logging.Logger,
    event: Event,
    sentence: str,
    facts: Facts = _NOTHING,
    *,
    failure: BaseException | None = None,
    depth: int = 1,
) -> None:
    """Log an event, as of the caller, or of who is ``depth`` calls above."""
    level = LEVELS[event]
    if logger.isEnabledFor(level):
        extra = {"event": event.value, **{name: getattr(facts, name) for name in FIELDS[1:]}}
        logger.log(level, sentence, extra=extra, stacklevel=depth + 1, exc_info=failure)

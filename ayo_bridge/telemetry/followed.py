"""A call on its way to those who want spans of it."""

from __future__ import annotations

from dataclasses import dataclass

from ayo_bridge.record.record import CallRecord


@dataclass(slots=True, eq=False)
class Followed:
    """One call, until it is exported."""

    target: str
    outer: Followed | None
    """The call that it was made inside of."""
    context: object = None
    """The OpenTelemetry context in which it was made."""
    ended: bool = False
    span: object = None
    """What spans of calls inside of it refer to, once it is exported."""


def ended_inside(record: CallRecord) -> list[tuple[Followed, CallRecord]]:
    """The calls that were made directly inside of this one and have ended."""
    inside = [(nested.tag, nested) for nested in record.nested]
    return [(tag, each) for tag, each in inside if isinstance(tag, Followed) and tag.ended]

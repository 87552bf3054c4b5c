"""When an accelerated call stood still, as far as its record tells."""

from __future__ import annotations

from ayo_bridge.observe.lanes import Interval, union
from ayo_bridge.record.record import CallRecord
from ayo_bridge.seam import EngineCall


def wait_of(call: EngineCall) -> Interval | None:
    """When the original stood still for one engine call: it goes on when the result is there.

    A result that was there already costs next to nothing to pick up; when that was is not recorded.
    """
    if call.ended is None or call.waited <= 0.0:
        return None
    return call.ended - call.waited, call.ended


def waits(record: CallRecord) -> list[Interval]:
    """When the original stood still; overlapping waits of concurrent calls count once."""
    return union(wait for call in list(record.calls) if (wait := wait_of(call)))


def end_of(record: CallRecord) -> float:
    """When the call ended; of one that still runs, the last moment that is known."""
    return record.until

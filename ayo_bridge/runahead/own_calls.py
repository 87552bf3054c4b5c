"""Where calls of the original's own belong in the graph of their query."""

from __future__ import annotations

from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.visits import program_of
from ayo_bridge.schedule.foreseeing import foreseen
from ayo_bridge.seam import EngineCall, Foreseen


def depth_of(record: CallRecord, call: EngineCall) -> int:
    """The depth of the primitive of a call."""
    try:
        return record.settled().e_graph.depth(call.primitive)
    except Exception:  # Bookkeeping never costs the original its call.
        return 1


def foreseen_of(record: CallRecord, call: EngineCall) -> Foreseen | None:
    """What the graph says of a call; ``None``: it is not in there."""
    try:
        account = record.settled()
        primitive = account.e_graph[call.primitive]
        return foreseen(account.e_graph, primitive, program_of(record), account.is_open)
    except Exception:  # As above.
        return None


__all__ = ["depth_of", "foreseen_of"]

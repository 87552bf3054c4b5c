"""In: what happens in a call, as it happens. Out: its graphs and calls, worked out when asked."""

from ayo_bridge.record.account import Account, Growth
from ayo_bridge.record.record import CallRecord

__all__ = ["Account", "CallRecord", "Growth"]

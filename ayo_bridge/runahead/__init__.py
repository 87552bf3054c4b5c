"""In: a plan and the original's own requests. Out: results that are there when it asks."""

from ayo_bridge.runahead.current import current_scope, entered
from ayo_bridge.runahead.plan import Feed, Maker, MakerKey, Plan, Values, index_of, maker_key
from ayo_bridge.runahead.planner import Planner
from ayo_bridge.runahead.scope import Scope, open_scope
from ayo_bridge.runahead.tickets import Hit, Observation, Ticket

__all__ = [
    "Feed",
    "Hit",
    "Maker",
    "MakerKey",
    "Observation",
    "Plan",
    "Planner",
    "Scope",
    "Ticket",
    "Values",
    "current_scope",
    "entered",
    "index_of",
    "maker_key",
    "open_scope",
]

"""In: a plan and the original's own requests. Out: results that are there when it asks."""

from ayo_bridge.runahead.current import current_scope, entered
from ayo_bridge.runahead.plan import Feed, Maker, Plan, Values
from ayo_bridge.runahead.scope import Hit, Observation, Scope, Ticket

__all__ = [
    "Feed",
    "Hit",
    "Maker",
    "Observation",
    "Plan",
    "Scope",
    "Ticket",
    "Values",
    "current_scope",
    "entered",
]

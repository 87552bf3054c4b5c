"""In: a plan and the original's own requests. Out: results that are there when it asks."""

from ayo_bridge.runahead.learning import Learning
from ayo_bridge.runahead.opening import begin, open_scope, within
from ayo_bridge.runahead.plan import Maker, Plan, index_of
from ayo_bridge.runahead.planner import Planner
from ayo_bridge.runahead.scope import Scope, current_scope
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.runahead.tickets import Observation, Ticket

__all__ = [
    "AcceleratedState",
    "Learning",
    "Maker",
    "Observation",
    "Plan",
    "Planner",
    "Scope",
    "Ticket",
    "begin",
    "current_scope",
    "index_of",
    "open_scope",
    "within",
]

"""In: e-graphs and calls. Out: batches on engines, in an order that knows the graphs."""

from ayo_bridge.schedule.driver import Driver, Running, Schedulers
from ayo_bridge.schedule.engine_scheduler import EngineScheduler
from ayo_bridge.schedule.graph_scheduler import MISSING, GraphScheduler, Missing
from ayo_bridge.schedule.own_loop import new_own_loop
from ayo_bridge.schedule.placement import FoundLater, LoopPlacement, ThreadPlacement
from ayo_bridge.schedule.policies import (
    DEFAULT,
    POLICIES,
    Policies,
    Policy,
    QueuePolicy,
    critical_path,
    per_invocation,
    policy_for,
    throughput,
    topology,
)
from ayo_bridge.schedule.request import Elsewhere, Home, Placed, Placement, Request
from ayo_bridge.schedule.rooms import Rooms
from ayo_bridge.schedule.server_load import Offer, ServerLoad
from ayo_bridge.schedule.waiting import Waiting
from ayo_bridge.schedule.work import (
    ComponentOp,
    Feed,
    Handler,
    Values,
    Work,
    component_op,
    items_of,
)

__all__ = [
    "DEFAULT",
    "MISSING",
    "POLICIES",
    "ComponentOp",
    "Driver",
    "Elsewhere",
    "EngineScheduler",
    "Feed",
    "FoundLater",
    "GraphScheduler",
    "Handler",
    "Home",
    "LoopPlacement",
    "Missing",
    "Offer",
    "Placed",
    "Placement",
    "Policies",
    "Policy",
    "QueuePolicy",
    "Request",
    "Rooms",
    "Running",
    "Schedulers",
    "ServerLoad",
    "ThreadPlacement",
    "Values",
    "Waiting",
    "Work",
    "component_op",
    "critical_path",
    "items_of",
    "new_own_loop",
    "per_invocation",
    "policy_for",
    "throughput",
    "topology",
]

"""In: what an engine is asked. Out: what it answers. The one thing that every layer knows."""

from ayo_bridge.seam.call import Call, EngineCall, EngineKind, Foreseen, Outcome, Unkeyed, Usage
from ayo_bridge.seam.dialect import Dialect, Said, TokenCounts
from ayo_bridge.seam.engine import AsyncEngine, BatchEngine, Engine, Limits
from ayo_bridge.seam.following import (
    Answer,
    AskedTool,
    BoundaryCall,
    Fields,
    Follower,
    FoundItem,
    Told,
)
from ayo_bridge.seam.locks import new_lock, new_rlock
from ayo_bridge.seam.routing import Routes, Sending
from ayo_bridge.seam.scope import (
    EngineHome,
    Hit,
    Learner,
    Load,
    Observation,
    Query,
    Scope,
    Ticket,
    current_scope,
    entered,
)

__all__ = [
    "Answer",
    "AskedTool",
    "AsyncEngine",
    "BatchEngine",
    "BoundaryCall",
    "Call",
    "Dialect",
    "Engine",
    "EngineCall",
    "EngineHome",
    "EngineKind",
    "Fields",
    "Follower",
    "Foreseen",
    "FoundItem",
    "Hit",
    "Learner",
    "Limits",
    "Load",
    "Observation",
    "Outcome",
    "Query",
    "Routes",
    "Said",
    "Scope",
    "Sending",
    "Ticket",
    "TokenCounts",
    "Told",
    "Unkeyed",
    "Usage",
    "current_scope",
    "entered",
    "new_lock",
    "new_rlock",
]

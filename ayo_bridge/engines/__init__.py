"""In: calls. Out: their results, from real engines whose libraries load only when used."""

from ayo_bridge.engines.protocol import (
    AsyncEngine,
    BatchEngine,
    Call,
    Engine,
    EngineKind,
    Limits,
)

__all__ = ["AsyncEngine", "BatchEngine", "Call", "Engine", "EngineKind", "Limits"]

"""What is said of a primitive that has failed."""

from __future__ import annotations

from ayo_bridge.errors import AyoBridgeError, PrimitiveError
from ayo_bridge.graph import Primitive


def named(primitive: Primitive, error: BaseException) -> AyoBridgeError:
    """The error as that of a primitive, with the original as its cause."""
    if isinstance(error, PrimitiveError):
        return error
    reason = f"{type(error).__name__}: {error}"
    named = PrimitiveError(primitive.id, primitive.component, primitive.engine, reason)
    named.__cause__ = error
    return named

"""What is said of a primitive that has failed."""

from __future__ import annotations

from concurrent.futures import CancelledError

from ayo_bridge.errors import AyoBridgeError, PrimitiveError
from ayo_bridge.graph import Primitive
from ayo_bridge.schedule import Request


def error_of(request: Request) -> BaseException | None:
    """What a call that has ended failed with, if it did."""
    if request.future.cancelled():
        return CancelledError("its engine has dropped the call")
    return request.future.exception()


def named(primitive: Primitive, error: BaseException) -> AyoBridgeError:
    """The error as that of a primitive, with the original as its cause."""
    if isinstance(error, PrimitiveError):
        return error
    reason = f"{type(error).__name__}: {error}"
    named = PrimitiveError(primitive.id, primitive.component, primitive.engine, reason)
    named.__cause__ = error
    return named

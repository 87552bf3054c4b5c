"""Whoever listens to a framework hears nothing of a call's second run, which `verify` makes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ayo_bridge.runahead.scope import replaying

Wrapped = Callable[..., Any]


def untold(wrapped: Wrapped, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A wrapper of what tells listeners."""
    return None if replaying() else wrapped(*args, **kwargs)


def untold_async(
    wrapped: Wrapped, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Awaitable[Any]:
    """The same of a coroutine function."""
    untold: Awaitable[Any] = _nothing() if replaying() else wrapped(*args, **kwargs)
    return untold


async def _nothing() -> None:
    return None

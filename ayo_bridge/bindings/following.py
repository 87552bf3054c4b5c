"""Boundaries tell the follower of a scope what the original asks, and what it is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ayo_bridge.seam import BoundaryCall, EngineCall, Follower, Observation, Told

T = TypeVar("T")


def followed(follower: Follower, call: BoundaryCall, original: Callable[[], T]) -> T:
    """Make a call of the original's, wherever its result comes from, under the follower's eyes."""
    handle = follower.begin(call)
    try:
        result = original()
    except BaseException as error:
        follower.end(handle, None, error)
        raise
    follower.end(handle, result)
    return result


async def followed_async(
    follower: Follower, call: BoundaryCall, original: Callable[[], Awaitable[T]]
) -> T:
    """Like :func:`followed`, for a call that is awaited."""
    handle = follower.begin(call)
    try:
        result = await original()
    except BaseException as error:
        follower.end(handle, None, error)
        raise
    follower.end(handle, result)
    return result


class FollowedObservation:
    """An observation whose end the follower of the scope hears of, too."""

    __slots__ = ("_follower", "_handle", "_observation")

    def __init__(self, observation: Observation, follower: Follower, handle: object) -> None:
        self._observation = observation
        self._follower = follower
        self._handle = handle

    @property
    def record(self) -> EngineCall:
        """The record of the call."""
        return self._observation.record

    @record.setter
    def record(self, record: EngineCall) -> None:
        self._observation.record = record

    @property
    def wanted(self) -> bool:
        """The follower asks for the result."""
        return True

    @property
    def grows(self) -> Told | None:
        """Who wants to know the answer while it is written."""
        return self._follower.grows(self._handle)

    def done(self, result: object = None) -> None:
        """The call has returned."""
        self._observation.done(result)
        self._follower.end(self._handle, result)

    def failed(self, error: BaseException) -> None:
        """The call has raised."""
        self._observation.failed(error)
        self._follower.end(self._handle, None, error)

"""Programs whose one boundary notes from which site and branch it is called."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ayo_bridge.learn.tracing.branches import follow
from ayo_bridge.learn.tracing.places import current_place, within

T = TypeVar("T")
Where = tuple[str, tuple[int, ...]]
"""Site and branch."""


class Boundary:
    """A leaf that answers after a random while, and notes where it is asked from."""

    def __init__(self, seed: int = 0, longest: float = 0.003) -> None:
        self.seen: dict[str, list[Where]] = {}
        self._seconds = random.Random(seed)
        self._longest = longest

    def note(self, request: object) -> str:
        place = current_place()
        assert place is not None, f"{request} was asked outside of the call"
        self.seen.setdefault(str(request), []).append((place.site().id, place.branch))
        return f"<{request}>"

    def ask(self, request: object) -> str:
        answer = self.note(request)
        time.sleep(self._seconds.uniform(0, self._longest))
        return answer

    async def aask(self, request: object) -> str:
        answer = self.note(request)
        await asyncio.sleep(self._seconds.uniform(0, self._longest))
        return answer

    def branches(self) -> dict[str, list[tuple[int, ...]]]:
        return {
            request: [branch for _, branch in seen] for request, seen in sorted(self.seen.items())
        }

    def sites(self, *requests: object) -> set[str]:
        return {site for request in requests for site, _ in self.seen[str(request)]}


def called(run: Callable[[], T]) -> T:
    """Run a program as one followed call."""
    place = follow(sys._getframe())
    try:
        with within(place):
            return run()
    finally:
        place.close()


async def awaited(run: Callable[[], Awaitable[T]]) -> T:
    """The same for a program that is awaited."""
    place = follow(sys._getframe())
    try:
        with within(place):
            return await run()
    finally:
        place.close()


def repeatedly(program: Callable[[Boundary], object], times: int = 20) -> Boundary:
    """Run a program often, each time with other delays; all runs must have seen the same."""
    boundaries = [Boundary(seed) for seed in range(times)]
    for boundary in boundaries:
        called(lambda boundary=boundary: program(boundary))  # type: ignore[misc]
    for boundary in boundaries[1:]:
        assert boundary.seen == boundaries[0].seen
    return boundaries[0]

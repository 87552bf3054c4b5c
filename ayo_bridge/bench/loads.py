"""When questions are asked: by so many users in a row, or as they arrive.

The generators wait on the running event loop, so that they also run on a virtual clock.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Protocol

from ayo_bridge.bench.wrong import BenchError
from ayo_bridge.verify.lines import json_of, lines_of

Ask = Callable[[int, float | None], Awaitable[None]]
"""Has the session of this number asked. With a time of the loop's clock, it was due then: what it
waits beyond that is part of its latency."""


_EACH: Final = 4
"""Sessions of a user before it is another arm's turn."""


class Load(Protocol):
    """A way to ask."""

    @property
    def name(self) -> str:
        """As the report has it."""

    @property
    def open(self) -> bool:
        """Whether sessions come whether or not those before them have ended."""

    def blocks(self, sessions: int) -> list[Sequence[int]]:
        """The sessions of a round, by number, in the parts in which arms take turns."""

    def asks(self, block: Sequence[int]) -> int:
        """How many sessions are asked in such a part."""

    async def run(self, ask: Ask, block: Sequence[int], turn: int) -> None:
        """Ask the sessions, all of them to their end. Equal turns are equal."""


@dataclass(frozen=True, slots=True)
class Closed:
    """``users`` ask one session after the other: each its next when the last one has ended."""

    users: int

    @property
    def name(self) -> str:
        """``1 user``."""
        return "1 user" if self.users == 1 else f"{self.users} users"

    @property
    def open(self) -> bool:
        """No."""
        return False

    def blocks(self, sessions: int) -> list[Sequence[int]]:
        """A few for each user: what slows the machine down for a while is then met by all arms."""
        size = _EACH * self.users
        return [range(sessions)[at : at + size] for at in range(0, sessions, size)]

    def asks(self, block: Sequence[int]) -> int:
        """Each once."""
        return len(block)

    async def run(self, ask: Ask, block: Sequence[int], turn: int) -> None:
        """Ask each session once, in the order of the file."""
        left: Iterator[int] = iter(block)

        async def user() -> None:
            for number in left:
                await ask(number, None)

        async with asyncio.TaskGroup() as users:
            for _ in range(self.users):
                users.create_task(user())


@dataclass(frozen=True, slots=True)
class Arriving:
    """Sessions come at ``times`` (seconds from the start of a round), however many are under way.

    Which session comes is drawn by ``seed``; both arms have the same ones at the same times.
    """

    name: str
    times: tuple[float, ...]
    seed: int = 0

    @property
    def open(self) -> bool:
        """Yes."""
        return True

    def blocks(self, sessions: int) -> list[Sequence[int]]:
        """All of them."""
        return [range(sessions)]

    def asks(self, block: Sequence[int]) -> int:
        """One for each time."""
        return len(self.times)

    async def run(self, ask: Ask, block: Sequence[int], turn: int) -> None:
        """Ask at each time, then wait for all to end."""
        loop = asyncio.get_running_loop()
        drawn = shuffled(block, len(self.times), Random(f"{self.seed} {turn}"))
        start = loop.time()
        async with asyncio.TaskGroup() as under_way:
            for number, at in zip(drawn, self.times, strict=True):
                await asyncio.sleep(max(0.0, start + at - loop.time()))
                under_way.create_task(_one(ask, number, start + at))


async def _one(ask: Ask, number: int, due: float) -> None:
    await ask(number, due)


def shuffled(sessions: Sequence[int], wanted: int, chance: Random) -> list[int]:
    """So many numbers of sessions: all of them in some order, then again."""
    drawn: list[int] = []
    while len(drawn) < wanted:
        drawn += chance.sample(sessions, len(sessions))
    return drawn[:wanted]


def poisson(rate: float, duration: float, seed: int = 0) -> Arriving:
    """Arrivals at ``rate`` a second for ``duration`` seconds, with exponential gaps; at least one.

    Raises:
        BenchError: they are not positive.
    """
    if not (0 < rate < math.inf and 0 < duration < math.inf):
        raise BenchError(f"a rate and a duration are positive, not {rate:g} and {duration:g}")
    chance = Random(f"{seed} {rate}")
    times: list[float] = []
    at = chance.expovariate(rate)
    while at < duration or not times:
        times.append(at)
        at += chance.expovariate(rate)
    return Arriving(f"{rate:g}/s", tuple(time - times[0] for time in times), seed)


def traced(path: Path, seed: int = 0) -> Arriving:
    """Arrivals as a file has them: seconds, or ``{"time": seconds}``, a line.

    The first comes at once; the order of lines says nothing.

    Raises:
        BenchError: it cannot be read, a line is no time, or it has none.
    """
    try:
        lines = lines_of(path)
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"the arrivals in {path} cannot be read: {error}") from error
    times = sorted(_time(path, at, line) for at, line in enumerate(lines, 1) if line.strip())
    if not times:
        raise BenchError(f"{path} holds no arrival: write one time, in seconds, a line")
    return Arriving(path.name, tuple(time - times[0] for time in times), seed)


def _time(path: Path, at: int, line: str) -> float:
    try:
        said = json_of(line)
        time = float(said["time"] if isinstance(said, dict) else said)
        if math.isfinite(time):
            return time
    except (ValueError, KeyError, TypeError):
        pass
    raise BenchError(f'line {at} of {path} is no time: write seconds, or {{"time": seconds}}')


def users(text: str) -> list[Closed]:
    """``1,4`` as closed loops.

    Raises:
        BenchError: one is no number from 1 on.
    """
    return [Closed(int(each)) for each in _numbers(text, "--concurrency", whole=True)]


def rates(text: str) -> Sequence[float]:
    """``0.5,1,2`` as rates.

    Raises:
        BenchError: one is no positive number.
    """
    return _numbers(text, "--rate", whole=False)


def _numbers(text: str, option: str, *, whole: bool) -> list[float]:
    found: list[float] = []
    for each in text.split(","):
        try:
            number = float(int(each) if whole else float(each))
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            kind = "whole numbers from 1 on" if whole else "positive numbers"
            raise BenchError(f"{option} is a list of {kind}, such as 1,4; not {text}")
        if number not in found:
            found.append(number)
    return found


__all__ = ["Arriving", "Ask", "Closed", "Load", "poisson", "rates", "shuffled", "traced", "users"]

"""The limit for work ahead at four kinds of server: ``python -m benchmarks.ahead_limit``.

Simulated, each row over ten seeds. A query makes its calls one after another, as the original
does; calls ahead are sent in the same order as far as the limit allows. Times are over those of
the original, nothing ahead.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final, Literal

from rich.console import Console
from rich.table import Table

from ayo_bridge.schedule.limits import AheadLimit

Kind = Literal["slot", "sharing", "vllm", "gateway"]
TOKEN_SECONDS: Final = 0.01
GLUE_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Load:
    """A server and its users.

    at_once: what a gateway takes. noise: deviation of a call's work. lengths: longest over
    shortest reply. batch: how many sequences slow a vllm-like server to half its speed.
    """

    kind: Kind
    users: int = 1
    calls: int = 8
    at_once: int = 1
    noise: float = 0.2
    lengths: float = 10.0
    batch: int = 64


@dataclass(eq=False, slots=True)
class _Call:
    tokens: int
    work: float
    state: Literal["new", "flying", "done"] = "new"
    ahead: bool = False


@dataclass(eq=False, slots=True)
class _Query:
    calls: list[_Call]
    began: float
    share: float
    at: int = 0
    """The call that the original is at."""


@dataclass(slots=True)
class Outcome:
    """Seconds of each query in the order they ended, the limit at each end, and the refusals."""

    seconds: list[float] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    refused: int = 0
    longest_wait: float = 0.0


class Simulation:
    """Queries of several users at one server, in virtual time."""

    def __init__(self, load: Load, limit: AheadLimit, seed: int) -> None:
        self._load = load
        self._limit = limit
        self._random = random.Random(seed)
        self._now = 0.0
        self._flying: list[_Call] = []
        self._timers: list[tuple[float, int, _Query]] = []
        self._order: Iterator[int] = itertools.count()
        self._waiting: dict[_Call, tuple[_Query, float]] = {}
        self._live: list[_Query] = []
        self._refused: list[_Query] = []
        self._outcome = Outcome()

    def run(self, queries: int) -> Outcome:
        """Run until so many queries have ended."""
        for _ in range(self._load.users):
            self._start()
        while len(self._outcome.seconds) < queries:
            self._advance()
        return self._outcome

    def _start(self) -> None:
        lengths = (
            max(1, round(10 * self._load.lengths ** self._random.random()))
            for _ in range(self._load.calls)
        )
        calls = [
            _Call(tokens, max(0.1, self._random.gauss(1, self._load.noise)) * tokens)
            for tokens in lengths
        ]
        query = _Query(calls, self._now, self._limit.draw())
        self._live.append(query)
        self._later(query, GLUE_SECONDS)

    def _later(self, query: _Query, seconds: float) -> None:
        heapq.heappush(self._timers, (self._now + seconds, next(self._order), query))

    def _rate(self) -> float:
        """Tokens a second that each call in service gets."""
        flying = len(self._flying)
        match self._load.kind:
            case "slot":
                slow = 1.0
            case "sharing":
                slow = float(flying)
            case _:
                slow = 1 + flying / self._load.batch
        return 1 / (TOKEN_SECONDS * slow)

    def _advance(self) -> None:
        """To the next end of a call or of a wait of the original's own."""
        served = self._flying[:1] if self._load.kind == "slot" else self._flying
        rate = self._rate() if served else 1.0
        first = min(served, key=lambda call: call.work, default=None)
        until = self._now + first.work / rate if first is not None else float("inf")
        timer = self._timers[0][0] if self._timers else float("inf")
        step = min(until, timer) - self._now
        for call in served:
            call.work -= step * rate
        self._now += step
        if first is not None and until <= timer:
            self._flying.remove(first)
            first.state = "done"
            for query in self._refused:  # what was refused is sent again after each completion
                self._later(query, 0.0)
            self._refused.clear()
            if (waiting := self._waiting.pop(first, None)) is not None:
                query, since = waiting
                self._outcome.longest_wait = max(self._outcome.longest_wait, self._now - since)
                self._later(query, GLUE_SECONDS)
                query.at += 1
        else:
            self._reach(heapq.heappop(self._timers)[2])
        self._ahead()

    def _reach(self, query: _Query) -> None:
        """The original reaches its next call, or its end."""
        while query.at < len(query.calls) and query.calls[query.at].state == "done":
            query.at += 1
        if query.at == len(query.calls):
            self._live.remove(query)
            self._ended(query)
            self._start()
            return
        call = query.calls[query.at]
        if call.state == "new" and not self._send(call, ahead=False):
            self._refused.append(query)
            return
        call.ahead = False
        self._waiting[call] = query, self._now

    def _ended(self, query: _Query) -> None:
        seconds = self._now - query.began
        tokens = sum(call.tokens for call in query.calls)
        self._limit.ended(query.share, seconds, tokens, self._now)
        self._outcome.seconds.append(seconds)
        self._outcome.limits.append(self._limit.allowed(1.0, self._now))

    def _send(self, call: _Call, *, ahead: bool) -> bool:
        load = len(self._flying)
        if self._load.kind == "gateway" and load >= self._load.at_once:
            if others := sum(flying.ahead for flying in self._flying) + ahead:
                self._limit.refused(load + 1, self._now, others)
                self._outcome.refused += 1
            return False
        self._flying.append(call)
        call.state, call.ahead = "flying", ahead
        return True

    def _ahead(self) -> None:
        """Send ahead what the limit allows, the oldest query first."""
        for query in self._live:
            for call in query.calls[query.at + 1 :]:
                flying = sum(call.ahead for call in self._flying)
                if flying >= self._limit.allowed(query.share, self._now):
                    break
                if call.state == "new" and not self._send(call, ahead=True):
                    break


ROWS: Final = {
    "one slot, 1 user": (Load("slot"), 60),
    "one slot, 4 users": (Load("slot", users=4), 120),
    "processor sharing, 1 user": (Load("sharing"), 60),
    "processor sharing, 4 users": (Load("sharing", users=4), 120),
    "vllm, 1 user": (Load("vllm"), 60),
    "vllm, 16 users": (Load("vllm", users=16), 240),
    "vllm, 64 calls a query": (Load("vllm", calls=64), 60),
    "gateway of 1": (Load("gateway", at_once=1), 60),
    "gateway of 2": (Load("gateway", at_once=2), 60),
    "gateway of 4": (Load("gateway", at_once=4), 60),
    "gateway of 4, 3 users": (Load("gateway", at_once=4, users=3), 90),
}


def simulate(load: Load, limit: AheadLimit, seed: int, queries: int) -> Outcome:
    """Queries at a simulated server under a limit; equal seeds make equal queries."""
    return Simulation(load, limit, seed).run(queries)


def main() -> None:
    """Print the table."""
    table = Table("server", "unlimited", "first 10", "2nd half", "worst", "refused", "limit")
    for name, (load, queries) in ROWS.items():
        free, first, second, refused, limits = [], [], [], [], []
        for seed in range(1, 11):
            base = fmean(simulate(load, AheadLimit(0), seed, queries).seconds)
            free.append(fmean(simulate(load, AheadLimit(999), seed, queries).seconds) / base)
            found = simulate(load, AheadLimit(), seed, queries)
            first.append(fmean(found.seconds[:10]) / base)
            second.append(fmean(found.seconds[queries // 2 :]) / base)
            refused.append(found.refused)
            limits.append(found.limits[-1])
        table.add_row(
            name,
            *(f"{fmean(ratios):.2f}" for ratios in (free, first, second)),
            f"{max(second):.2f}",
            f"{max(refused)}",
            f"{min(limits)} to {max(limits)}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()

"""Servers of known behaviour, on a clock of their own, for the limit of work ahead.

A query makes its calls in turn, as the original does; calls ahead of it go out while the limit
allows. A refused call of the original's own is sent again after the next call that ends, as the
boundary does it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

TOKEN_SECONDS = 0.01
TOKENS = 20


class Limit(Protocol):
    def draw(self, kind: object = None) -> float: ...
    def allowed(self, share: float, now: float) -> int: ...
    def ended(
        self,
        kind: object,
        share: float,
        seconds: float,
        tokens: int,
        now: float,
        *,
        held: bool = ...,
    ) -> None: ...
    def refused(self, load: int, now: float) -> None: ...


@dataclass
class Always:
    """A limit that nothing changes."""

    limit: int

    def draw(self, kind: object = None) -> float:
        return 1.0

    def allowed(self, share: float, now: float) -> int:
        return self.limit

    def ended(
        self,
        kind: object,
        share: float,
        seconds: float,
        tokens: int,
        now: float,
        *,
        held: bool = True,
    ) -> None:
        pass

    def refused(self, load: int, now: float) -> None:
        pass


@dataclass(frozen=True)
class Server:
    """How fast each of n calls runs, in calls that run alone; beyond ``most`` it refuses."""

    speed: Callable[[int], float]
    one_by_one: bool = False
    most: int = 1_000_000


VLLM = Server(lambda n: 1 / (1 + 0.02 * (n - 1)))
SHARED = Server(lambda n: 1 / n)
ONE_SLOT = Server(lambda n: 1.0, one_by_one=True)


def gateway(most: int) -> Server:
    return Server(lambda n: 1.0, most=most)


@dataclass
class Job:
    """A call at the server."""

    left: float
    ahead: bool
    user: "User"
    index: int


@dataclass
class User:
    """Asks one query after the other."""

    number: int
    began: float = 0.0
    share: float = 1.0
    tokens: list[int] = field(default_factory=list)
    state: list[str] = field(default_factory=list)
    """Of each call: new, sent, refused or done."""
    at: int = 0
    stopped: bool = False
    again: bool = False
    held: bool = False


@dataclass
class World:
    """A server, its users and what came of it."""

    server: Server
    limit: Limit
    seed: int = 1
    users: int = 1
    calls: int = 8
    noise: float = 0.0
    longest: float = 1.0
    """Answers vary in length up to so many times."""
    wait: float = 0.0
    """The longest a call of the original took from where it asked for it."""
    refused_own: int = 0
    refused: int = 0

    def run(self, queries: int) -> list[float]:
        """Seconds of each query, in the order in which they ended, in those of no work ahead."""
        self._random = random.Random(self.seed)
        self._now = 0.0
        self._jobs: list[Job] = []
        self._took: list[float] = []
        people = [User(number) for number in range(self.users)]
        for user in people:
            self._begin(user)
        while len(self._took) < queries:
            self._step()
        return self._took[:queries]

    def _begin(self, user: User) -> None:
        spread = self.longest**0.5
        user.tokens = [
            max(1, round(TOKENS * spread ** self._random.uniform(-1, 1))) for _ in range(self.calls)
        ]
        user.state = ["new"] * self.calls
        user.at, user.began, user.stopped, user.held = 0, self._now, False, False
        user.share = self.limit.draw()
        self._ahead(user)
        self._next(user)

    @property
    def _in_flight_ahead(self) -> int:
        return sum(job.ahead for job in self._jobs)

    def _ahead(self, user: User) -> None:
        for index in range(user.at, self.calls):
            if user.stopped or user.state[index] != "new":
                continue
            if self._in_flight_ahead >= self.limit.allowed(user.share, self._now):
                user.held = True
                return
            if not self._send(user, index, ahead=True):
                user.state[index] = "refused"
                user.stopped = True
                self.limit.refused(len(self._jobs), self._now)

    def _send(self, user: User, index: int, *, ahead: bool) -> bool:
        if len(self._jobs) >= self.server.most:
            self.refused += 1
            return False
        work = user.tokens[index] * TOKEN_SECONDS * (1 + self._random.uniform(0, self.noise))
        user.state[index] = "sent"
        self._jobs.append(Job(work, ahead, user, index))
        return True

    def _next(self, user: User) -> None:
        """The original goes on as far as it can."""
        while user.at < self.calls and user.state[user.at] == "done":
            user.at += 1
            self._asked = self._now
        if user.at == self.calls:
            seconds, tokens = self._now - user.began, sum(user.tokens)
            self.limit.ended(None, user.share, seconds, tokens, self._now, held=user.held)
            self._took.append(seconds / (tokens * TOKEN_SECONDS))
            self._begin(user)
        elif user.state[user.at] in ("new", "refused"):
            user.again = not self._send(user, user.at, ahead=False)
            if user.again:
                self.refused_own += not any(job.ahead for job in self._jobs)
                user.stopped = True
                self.limit.refused(len(self._jobs), self._now)

    def _step(self) -> None:
        running = self._jobs[:1] if self.server.one_by_one else self._jobs
        speed = self.server.speed(len(running))
        first = min(running, key=lambda job: job.left)
        seconds = first.left / speed
        self._now += seconds
        for job in running:
            job.left -= seconds * speed
        self._jobs.remove(first)
        first.user.state[first.index] = "done"
        waiting = {job.user.number: job.user for job in [first, *self._jobs]}
        for user in [first.user, *waiting.values()]:
            if user is first.user or user.again:
                self._next(user)
        for user in {id(u): u for u in waiting.values()}.values():
            self._ahead(user)

"""What is on its way at one server, and how much may go there ahead of the original.

A server in another process is shared by engines (its models), by queries, and by the original's own
calls. Calls ahead go out while the limit allows it and queue here beyond that, those of the query
with the fewest calls there first; a call of the original's own never waits behind one. Where kinds
of queries share the server, turns decide besides (:mod:`ayo_bridge.schedule.turns`).
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from ayo_bridge.schedule.limits import AheadLimit
from ayo_bridge.seam import Query

AFTERWARDS: Final = 0.2
"""Seconds for which work ahead that has ended may still count at the server."""
_LATER: Final = 5.0
"""Seconds after which a probe of a server that rests is thought of again."""


Share = Callable[[], float]
"""The share of the limit by which a call goes at this moment."""


class Offer(Protocol):
    """A call that may go ahead."""

    @property
    def query(self) -> Query:
        """Whose it is."""

    @property
    def caller(self) -> Hashable:
        """For whom it is made."""

    @property
    def warm(self) -> bool:
        """Whether it is a prefix warm, which is of use only at once."""

    def send(self) -> None:
        """Send it, and tell :meth:`ServerLoad.left` once it has ended. Raises nothing."""

    def waits(self) -> None:
        """It has to wait for its turn."""

    def drop(self) -> None:
        """It will not be sent."""


@dataclass(slots=True)
class _InFlight:
    """Calls of one query: how many, and of how many the original waits."""

    calls: int = 0
    awaited: int = 0


class ServerLoad:
    """The load of one server. Thread-safe; nothing is called under its lock.

    Args:
        clock: seconds.
        limit: decides how much may go ahead.
    """

    def __init__(self, clock: Callable[[], float], limit: AheadLimit) -> None:
        self._clock = clock
        self._limit = limit
        self._lock = threading.RLock()  # A reply may be collected, and so end, at any allocation.
        self._queue: deque[tuple[Share, Offer]] = deque()
        self._waiting: list[Future[None]] = []
        self._probes: list[Future[None]] = []
        self._last = float("-inf")
        self._queries: dict[Query, _InFlight] = {}
        self._gone: deque[tuple[Query, float]] = deque(maxlen=2)
        """The last two queries of which an awaited call has ended, the later one last, and when."""
        self.ahead = 0
        """Calls ahead of the original that are in flight, probes among them."""
        self.awaited = 0
        """Calls that went ahead, to which the original has come: they would be there without us."""
        self.own = 0
        """Calls of the original's own, as far as scopes see them."""

    # Ahead.

    def draw(self, kind: Hashable = None) -> float:
        """The share of the limit that the next query of this kind goes by."""
        with self._lock:
            return self._limit.draw(kind)

    def learn(
        self,
        kind: Hashable,
        share: float,
        seconds: float,
        tokens: int,
        *,
        held: bool,
        caller: Hashable = None,
    ) -> None:
        """A query of this kind and share has ended well; ``held``: some call had to wait."""
        with self._lock:
            now = self._clock()
            self._limit.ended(kind, share, seconds, tokens, now, held=held, caller=caller)
        self._send()

    def heard(self, kind: Hashable, began: float, tokens: Callable[[], int]) -> bool:
        """A query that has asked the server has ended well, whether or not anything was ahead.

        ``tokens`` counts what was written for it. Returns whether others were met there.
        """
        with self._lock:
            return self._limit.turns.ended(kind, began, self._clock(), tokens)

    def allowed(self, share: float, caller: Hashable = None) -> int:
        """How many calls may be ahead, of one who goes by this share of the limit."""
        with self._lock:
            return self._limit.allowed(share, self._clock(), caller)

    def serves(self, servers: int) -> None:
        """So many servers share the calls from now on."""
        with self._lock:
            self._limit.serves(servers)
        self._send()

    @property
    def in_flight(self) -> int:
        """Calls that are on their way, as far as scopes see them."""
        return self.ahead + self.awaited + self.own

    @property
    def held(self) -> bool:
        """Whether calls wait for their turn."""
        return bool(self._queue)

    def offer(self, offer: Offer, share: Share) -> bool:
        """Send a call ahead as soon as the limit allows it; ``False``: not before long."""
        with self._lock:
            allowed = self._limit.allowed(share(), self._clock(), offer.caller)
            if allowed < 1:
                return False
            turn = self._has_turn(offer.query)
            if offer.warm and not turn:
                return False
            if not turn or self.ahead >= allowed:
                offer.waits()
                self._queue.append((share, offer))
                return True
            self._goes(offer)
        # Its own caller sends it, who may hold locks. Others' are sent where none are held.
        offer.send()
        return True

    def withdraw(self, offer: Offer) -> bool:
        """Take back what has not been sent; ``False``: it has."""
        with self._lock:
            for index, (_, other) in enumerate(self._queue):
                if other is offer:
                    del self._queue[index]
                    return True
        return False

    def claimed(self, query: Query) -> None:
        """The original has come to a call that is in flight: that is ahead of it no more."""
        with self._lock:
            self.ahead -= 1
            self.awaited += 1
            if (mine := self._queries.get(query)) is not None:  # Else it has ended meanwhile.
                mine.awaited += 1
        self._send()

    def left(self, query: Query | None = None, *, awaited: bool = False) -> None:
        """A call that went ahead has ended; ``awaited``: the original had come to it."""
        with self._lock:
            if query is not None:
                self._leaves(query, awaited=awaited)
            if awaited:
                self.awaited -= 1
            else:
                self.ahead -= 1
            self._last = self._clock()
            waiting = self._waiting + self._probes
            self._waiting, self._probes = [], []
        _wake(waiting)
        self._send()

    def _send(self) -> None:
        while self._queue:
            with self._lock:
                offer = self._next()
            if offer is None:
                return
            offer.send()

    def _next(self) -> Offer | None:
        """The call whose query has the fewest there; of equal ones the one that came first."""
        now = self._clock()
        may = [
            (self._calls(offer.query), index)
            for index, (share, offer) in enumerate(self._queue)
            if self.ahead < self._limit.allowed(share(), now, offer.caller)
            and self._has_turn(offer.query)
        ]
        if not may:
            return None
        _, index = min(may)
        _, offer = self._queue[index]
        del self._queue[index]
        self._goes(offer)
        return offer

    def _goes(self, offer: Offer) -> None:
        self.ahead += 1
        self._enters(offer.query)

    # Queries share the server.

    def _has_turn(self, query: Query) -> bool:
        """Whether a query may have one more call there now, for the sake of the others.

        In a plain turn it has one, as its original has, unless nobody else waits for a call, nor
        has just had one: between the calls of a query are moments in which it waits for none.
        """
        mine = self._queries.get(query)
        if mine is None:
            return True
        now = self._clock()
        if self.own + self.awaited == mine.awaited:
            others = (ended for other, ended in self._gone if other != query)
            if now - max(others, default=-math.inf) >= self._limit.turns.between:
                return True
        return not self._limit.plain(now)

    def _calls(self, query: Query) -> int:
        mine = self._queries.get(query)
        return 0 if mine is None else mine.calls

    def _enters(self, query: Query, *, awaited: bool = False) -> None:
        mine = self._queries.get(query)
        if mine is None:
            mine = self._queries[query] = _InFlight()
            if any(other.kind != query.kind for other in self._queries):
                self._limit.turns.met(self._clock())
        mine.calls += 1
        mine.awaited += awaited

    def _leaves(self, query: Query, *, awaited: bool) -> None:
        mine = self._queries.get(query)
        if mine is None:  # It began before a fork.
            return
        mine.calls -= 1
        mine.awaited -= awaited
        if awaited:
            if self._gone and self._gone[-1][0] == query:
                self._gone.pop()
            self._gone.append((query, self._clock()))
        if not mine.calls:
            del self._queries[query]

    # The original.

    def begins(self, query: Query) -> None:
        """A call of the original's own begins. It never waits."""
        with self._lock:
            self.own += 1
            self._enters(query, awaited=True)

    def ends(self, query: Query, *, collected: bool = False) -> None:
        """It has ended; ``collected``: as the garbage collector sees, wherever locks are held."""
        waiting: list[Future[None]] = []
        with self._lock:
            self.own -= 1
            self._leaves(query, awaited=True)
            if not self.own:
                waiting, self._probes = self._probes, []
        _wake(waiting)
        if not collected:
            self._send()

    @property
    def went_ahead(self) -> int:
        """How many calls that went ahead are on their way."""
        return self.ahead + self.awaited

    @property
    def disturbed(self) -> bool:
        """Whether what happens to the original now may come of work ahead."""
        return self.went_ahead > 0 or self._clock() - self._last < AFTERWARDS

    def refused(self, caller: Hashable = None) -> None:
        """A call was refused while work ahead was there: no more of it for some time.

        What is on its way runs on: cancelled, it may go on counting at the server. ``caller``: who
        has too much there, whose work it is then; ``None``: the server has too much to do.
        """
        with self._lock:
            now = self._clock()
            self._limit.refused(self.in_flight, now, caller)
            waiting, self._queue = self._queue, deque[tuple[Share, Offer]]()
            dropped: list[tuple[Share, Offer]] = []
            for each in waiting:
                rests = self._limit.rests(now, each[1].caller)
                (dropped if rests else self._queue).append(each)
        for _, offer in dropped:
            offer.drop()

    def taken(self, caller: Callable[[], Hashable]) -> None:
        """The server has taken a call."""
        if self._limit.has_refused:
            with self._lock:
                self._limit.taken(caller())

    def completion(self) -> Future[None] | None:
        """Resolved when the next call ahead has ended; ``None`` if none is on its way."""
        with self._lock:
            if not self.went_ahead:
                return None
            future: Future[None] = Future()
            self._waiting.append(future)
            return future

    # Probes.

    @asynccontextmanager
    async def probing(self, caller: Hashable = None) -> AsyncIterator[None]:
        """A probe: work ahead, for which nobody else may be asking the server anything."""
        while (moment := self._moment(caller)) is not None:
            if isinstance(moment, float):
                await asyncio.sleep(moment)
            else:
                await asyncio.wrap_future(moment)
        try:
            yield
        finally:
            self.left()

    def _moment(self, caller: Hashable) -> Future[None] | float | None:
        """``None``: now. Else what to wait for, or how long."""
        with self._lock:
            if self._limit.allowed(1.0, self._clock(), caller) < 1:
                return _LATER
            if not (self.own or self.awaited or self.ahead or self._queue):
                self.ahead += 1
                return None
            future: Future[None] = Future()
            self._probes.append(future)
            return future

    @property
    def description(self) -> str:
        """What is known of the limit, for people."""
        with self._lock:
            return self._limit.describe(self._clock())


def _wake(waiting: Iterable[Future[None]]) -> None:
    for future in waiting:
        if future.set_running_or_notify_cancel():
            future.set_result(None)

"""Within one long call the limit of a server is found by comparing parts of it."""

import heapq
from collections.abc import Callable, Hashable

import pytest

from ayo_bridge.runahead.trials import LEAST, Trials
from ayo_bridge.schedule import ServerLoad
from ayo_bridge.schedule.limits import MOST, START, AheadLimit
from ayo_bridge.seam import Query


class Offered:
    """A call that takes as long as its server says."""

    query = Query("kind", 1)
    caller: Hashable = None
    warm = False

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.waited = False

    def send(self) -> None:
        self.server.begins(waited=self.waited)

    def waits(self) -> None:
        self.waited = True

    def drop(self) -> None: ...


class Server:
    """Answers calls in simulated time; those beyond its slots wait for one another."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.now = 0.0
        self.most = 0
        self.load = ServerLoad(lambda: self.now, AheadLimit())
        self.trials = Trials(self.load, "kind", lambda: self.now)
        self._free = [0.0] * slots
        self._ends: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def begins(self, *, waited: bool) -> None:
        ended = self.trials.sent(waited=waited)
        end = max(self.now, heapq.heappop(self._free)) + 0.1
        heapq.heappush(self._free, end)
        self._number += 1
        heapq.heappush(self._ends, (end, self._number, ended))
        self.most = max(self.most, self.load.ahead)

    def run(self, calls: int) -> float:
        """Seconds that so many calls take."""
        for _ in range(calls):
            assert self.load.offer(Offered(self), self.trials.share)
        while self._ends:
            self.now, _, ended = heapq.heappop(self._ends)
            ended()
            self.load.left(Offered.query)
        return self.now


@pytest.mark.parametrize("slots", [16, 32, 64])
def test_the_limit_comes_to_what_a_server_takes_within_one_call(slots: int) -> None:
    server = Server(slots)
    server.run(2000)
    assert server.most >= slots
    assert server.now < 2 * 2000 * 0.1 / slots


@pytest.mark.parametrize(("slots", "most"), [(1, START), (4, MOST // 2)])
def test_the_limit_does_not_grow_where_more_does_not_help(slots: int, most: int) -> None:
    server = Server(slots)
    server.run(1000)
    assert server.most <= most


def of_short_calls(slots: int, calls: int) -> Server:
    server = Server(slots)
    for _ in range(calls):
        server.trials = Trials(server.load, "kind", lambda: server.now)
        server.run(START + LEAST)
        server.trials.close()
    return server


def test_the_limit_grows_over_calls_too_short_for_a_trial() -> None:
    assert of_short_calls(64, calls=8).most > START


def test_over_short_calls_the_limit_does_not_grow_where_more_does_not_help() -> None:
    assert of_short_calls(1, calls=32).most <= START


def test_what_ends_after_a_call_is_over_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    server, learned = Server(64), list[float]()
    monkeypatch.setattr(server.load, "learn", lambda kind, share, *_, **__: learned.append(share))
    ended = [server.trials.sent(waited=True) for _ in range(START)]
    server.trials.close()
    for each in ended:
        each()
    assert not learned


def test_calls_that_no_limit_holds_back_say_nothing_of_it() -> None:
    server = Server(64)
    for _ in range(100):
        server.run(4)
    assert server.load.allowed(1.0) == 8

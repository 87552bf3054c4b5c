"""The limit of work ahead, on servers of known behaviour."""

import statistics
from collections.abc import Callable

import pytest

from ayo_bridge.schedule.limits import MOST, START, AheadLimit
from tests.schedule.ahead_servers import (
    ONE_SLOT,
    SHARED,
    VLLM,
    Always,
    Limit,
    Server,
    World,
    gateway,
)

SEEDS = range(1, 5)


def ratios(
    server: Server, limit: Callable[[], Limit], queries: slice, **options: object
) -> list[float]:
    """Query time over that without work ahead, of each seed."""
    found = []
    for seed in SEEDS:
        took = [
            World(server, made, seed=seed, **options).run(queries.stop)[queries]  # type: ignore[arg-type]
            for made in (limit(), Always(0))
        ]
        found.append(statistics.fmean(took[0]) / statistics.fmean(took[1]))
    return found


NOISY = {"noise": 0.2, "longest": 10.0}


def test_ten_queries_bring_most_of_the_gain_at_a_server_that_batches() -> None:
    found = statistics.fmean(ratios(VLLM, AheadLimit, slice(0, 10), **NOISY))
    best = statistics.fmean(ratios(VLLM, lambda: Always(64), slice(0, 10), **NOISY))
    assert 1 - found >= 0.8 * (1 - best)


@pytest.mark.parametrize("users", [1, 4, 16])
def test_later_queries_lose_little_to_the_best(users: int) -> None:
    late = slice(20 * users, 40 * users)
    found = statistics.fmean(ratios(VLLM, AheadLimit, late, users=users, **NOISY))
    best = statistics.fmean(ratios(VLLM, lambda: Always(64), late, users=users, **NOISY))
    assert 1 - found >= 0.8 * (1 - best)


@pytest.mark.parametrize("server", [ONE_SLOT, SHARED], ids=["one slot", "shared"])
@pytest.mark.parametrize("users", [1, 4])
def test_a_server_that_gains_nothing_loses_nothing(server: Server, users: int) -> None:
    found = ratios(server, AheadLimit, slice(0, 60 * users), users=users, **NOISY)
    assert statistics.fmean(found) <= 1.03


@pytest.mark.parametrize("most", [1, 2, 4])
def test_a_gateway_refuses_a_few_calls_and_every_query_is_answered(most: int) -> None:
    for seed in SEEDS:
        world = World(gateway(most), AheadLimit(), seed=seed, **NOISY)  # type: ignore[arg-type]
        assert len(world.run(60)) == 60
        assert world.refused <= 5
        assert not world.refused_own


def test_a_wide_fan_out_gets_more_and_more() -> None:
    late = slice(20, 40)
    found = statistics.fmean(ratios(VLLM, AheadLimit, late, calls=64, **NOISY))
    best = statistics.fmean(ratios(VLLM, lambda: Always(64), late, calls=64, **NOISY))
    assert 1 - found >= 0.9 * (1 - best)


def test_what_the_user_sets_stays() -> None:
    limit = AheadLimit(3)
    assert {limit.draw() for _ in range(20)} == {1.0}
    for _ in range(40):
        limit.ended(None, 1.0, 9.0, 1, 0.0)
    assert limit.allowed(1.0, 0.0) == 3
    assert AheadLimit(0).allowed(1.0, 0.0) == 0


def test_servers_that_come_and_go_have_what_they_would_have_had_from_the_beginning() -> None:
    limit = AheadLimit()
    for servers in (3, 2, 5, 1):
        limit.serves(servers)
        assert limit.allowed(1.0, 0.0) == AheadLimit(servers=servers).allowed(1.0, 0.0)
    limit.serves(2)
    for _ in range(100):  # More helps and helps: each gets the most it can.
        share = limit.draw()
        limit.ended(None, share, 1.5 if share < 1 else 1.0, 1, 0.0)
    assert limit.allowed(1.0, 0.0) == 2 * MOST
    limit.serves(3)
    assert limit.allowed(1.0, 0.0) == 3 * MOST
    limit.refused(62, 0.0)
    limit.serves(1)
    assert limit.allowed(1.0, 31.0) == 20  # What was refused by three of them.
    fixed = AheadLimit(5)
    fixed.serves(3)
    assert fixed.allowed(1.0, 0.0) == 5


def test_what_brought_nothing_is_tried_anew_with_further_servers_at_once() -> None:
    limit = AheadLimit()
    for _ in range(200):
        limit.ended(None, limit.draw(), 1.0, 1, 0.0, held=False)
    assert limit.allowed(1.0, 0.0) == 0
    limit.serves(2)
    assert limit.allowed(1.0, 0.0) == 2
    limit.serves(1)
    assert limit.allowed(1.0, 0.0) == 1


def test_a_refusal_gives_the_server_a_rest_that_doubles() -> None:
    limit = AheadLimit()
    limit.refused(5, 0.0)
    limit.refused(4, 0.1)  # The same incident.
    assert limit.allowed(1.0, 29.0) == 0
    assert limit.allowed(1.0, 31.0) == 3
    assert "refused a call with 5 in flight" in limit.describe(1.0)
    limit.refused(4, 31.0)
    assert limit.allowed(1.0, 90.0) == 0
    assert limit.allowed(1.0, 92.0) == 2
    limit.refused(2, 100.0)
    assert limit.allowed(1.0, 219.0) == 0


def test_the_ceiling_is_tried_one_higher_after_a_while() -> None:
    limit = AheadLimit()
    limit.refused(3, 0.0)
    assert limit.allowed(1.0, 31.0) == 1
    assert limit.allowed(1.0, 55.0) == 2


def test_kinds_of_queries_are_not_compared_with_each_other() -> None:
    limit = AheadLimit()
    for _ in range(60):  # One kind is a hundred times as slow; neither gains or loses by the limit.
        for kind, seconds in (("slow", 100.0), ("fast", 1.0)):
            limit.ended(kind, limit.draw(kind), seconds, 1, 0.0)
    assert limit.allowed(1.0, 0.0) == 0  # What brings nothing is given up,
    limit = AheadLimit()
    for _ in range(40):
        for kind, seconds in (("slow", 100.0), ("fast", 1.0)):
            share = limit.draw(kind)
            limit.ended(kind, share, seconds * (1.5 if share < 1 else 1.0), 1, 0.0)
    assert limit.allowed(1.0, 0.0) == 64  # and what brings something grows.


def test_what_half_of_the_limit_does_not_hold_back_changes_nothing() -> None:
    limit = AheadLimit()
    for _ in range(200):
        share = limit.draw()
        # Two calls ahead: half of the limit is enough, and nothing ahead is slower.
        limit.ended(None, share, 2.0 if share == 0 else 1.0, 1, 0.0, held=False)
    assert limit.allowed(1.0, 0.0) == START


def test_what_brings_nothing_is_seen_also_where_the_limit_holds_nothing_back() -> None:
    limit = AheadLimit()
    for _ in range(200):
        limit.ended(None, limit.draw(), 1.0, 1, 0.0, held=False)
    assert limit.allowed(1.0, 0.0) == 0


def test_half_of_a_limit_that_is_enough_and_pays_is_tried_ever_more_seldom() -> None:
    limit = AheadLimit()
    shares = []
    for _ in range(400):  # Six calls ahead: all of the limit is enough, half of it is not.
        shares.append(limit.draw())
        halved = shares[-1] < 1
        limit.ended(None, shares[-1], 1.5 if halved else 1.0, 1, 0.0, held=halved)
    assert limit.allowed(1.0, 0.0) == START
    assert 3 <= sum(share < 1 for share in shares) <= 12
    while limit.allowed(1.0, 0.0) == START:  # Now it brings nothing any more: that is seen.
        shares.append(limit.draw())
        assert len(shares) < 1000
        limit.ended(None, shares[-1], 1.0, 1, 0.0, held=shares[-1] < 1)
    assert limit.allowed(1.0, 0.0) < START

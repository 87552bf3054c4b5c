"""The limit for work ahead: its decisions one by one, and what they do at simulated servers."""

from __future__ import annotations

from statistics import fmean

import pytest

from ayo_bridge.schedule.limits import AheadLimit
from benchmarks.ahead_limit import Load, simulate

SEEDS = (1, 2, 3)


def queries(limit: AheadLimit, count: int, full: float, half: float, kind: str = "") -> None:
    """Tell of so many queries, one after another, of 1 second and as many tokens as said."""
    for _ in range(count):
        share = limit.draw(kind)
        limit.ended(share, full if share == 1.0 else half, 1, limit.now + 1000.0, kind)


def test_one_query_in_four_is_held_out_at_half_the_limit() -> None:
    limit = AheadLimit(start=8)
    shares = [limit.draw() for _ in range(400)]
    assert (shares.count(1.0), shares.count(0.5)) == (300, 100)
    assert limit.allowed(1.0, 0.0) == 8
    assert limit.allowed(0.5, 0.0) == 4


def test_the_limit_doubles_while_the_full_arm_is_faster_up_to_the_most() -> None:
    limit = AheadLimit(most=32)
    queries(limit, 4, full=0.5, half=1.0)
    assert limit.allowed(1.0, limit.now) == 8
    queries(limit, 40, full=0.5, half=1.0)
    assert limit.allowed(1.0, limit.now) == 32


def test_a_limit_without_gain_falls_to_nothing_and_is_tried_again() -> None:
    limit = AheadLimit()
    limit.allowed(1.0, 0.0)
    for now in range(1, 40):
        limit.ended(limit.draw(), 1.0, 1, float(now))
    assert limit.allowed(1.0, 39.0) == 0
    assert limit.describe.startswith("nothing ahead: it gained nothing; tried again in ")
    assert limit.allowed(1.0, 100.0) == 2


def test_kinds_are_compared_within_themselves() -> None:
    limit = AheadLimit()
    for _ in range(40):
        for kind, seconds in (("short", 1.0), ("long", 50.0)):
            share = limit.draw(kind)
            faster = 0.5 if share == 1.0 else 1.0
            limit.ended(share, seconds * faster, 1, limit.now + 1000.0, kind)
    assert limit.allowed(1.0, limit.now) == 64


def test_a_query_that_began_before_the_limit_changed_is_left_out() -> None:
    limit = AheadLimit()
    limit.refused(5, 100.0)
    for now in range(131, 150):
        limit.ended(limit.draw(), now - 120.0, 1, float(now))
    assert limit.allowed(1.0, 150.0) == 3


def test_a_refusal_sets_a_ceiling_and_a_rest_and_doubles_the_next_rest() -> None:
    limit = AheadLimit()
    limit.refused(5, 10.0)
    limit.refused(4, 10.1)
    assert limit.describe == "rests for 30 s: it refused a call with 4 in flight"
    assert limit.allowed(1.0, 39.0) == 0
    assert limit.allowed(1.0, 40.0) == 2
    assert limit.describe == "at most 2 ahead: it refused a call with 4 in flight"
    limit.refused(3, 50.0)
    assert limit.allowed(1.0, 109.0) == 0
    assert limit.allowed(1.0, 110.0) == 1


def test_what_of_a_refused_load_was_not_ahead_is_no_room_for_work_ahead() -> None:
    limit = AheadLimit()
    limit.refused(5, 0.0, ahead=2)
    assert limit.allowed(1.0, 30.0) == 1


def test_the_ceiling_rises_in_peace_and_the_rest_is_forgotten() -> None:
    limit = AheadLimit(start=8, most=8)
    limit.refused(2, 0.0)
    assert [limit.allowed(1.0, now) for now in (30.0, 89.0, 90.0)] == [0, 0, 1]
    assert limit.allowed(1.0, 390.0) == 3
    assert limit.allowed(1.0, 690.0) == 7
    assert limit.allowed(1.0, 990.0) == 8
    limit.refused(9, 1000.0)
    assert limit.allowed(1.0, 1030.0) == 7


def test_a_limit_that_the_user_sets_stays_and_refusals_still_count() -> None:
    limit = AheadLimit(2)
    assert {limit.draw() for _ in range(20)} == {1.0}
    queries(limit, 40, full=2.0, half=1.0)
    assert limit.allowed(1.0, limit.now) == 2
    assert limit.describe == "set to 2"
    limit.refused(3, limit.now)
    assert limit.allowed(1.0, limit.now) == 0
    assert limit.allowed(1.0, limit.now + 30.0) == 1


def ratio(load: Load, seed: int, until: int) -> float:
    """The mean of the first queries over that of the original's."""
    found = simulate(load, AheadLimit(), seed, until)
    return fmean(found.seconds) / fmean(simulate(load, AheadLimit(0), seed, until).seconds)


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_queries_at_a_server_that_batches_have_most_of_the_gain(seed: int) -> None:
    load = Load("vllm")
    best = fmean(simulate(load, AheadLimit(999), seed, 10).seconds)
    base = fmean(simulate(load, AheadLimit(0), seed, 10).seconds)
    found = fmean(simulate(load, AheadLimit(), seed, 10).seconds)
    assert base - found >= 0.8 * (base - best) > 0


@pytest.mark.parametrize("kind", ["slot", "sharing"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_server_of_one_slot_loses_nothing(kind: str, seed: int) -> None:
    assert ratio(Load(kind), seed, 40) <= 1 / 0.97  # type: ignore[arg-type]


@pytest.mark.parametrize("at_once", [1, 2, 4])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_gateway_refuses_seldom_and_answers_every_query(at_once: int, seed: int) -> None:
    load = Load("gateway", at_once=at_once)
    found = simulate(load, AheadLimit(), seed, 60)
    base = simulate(load, AheadLimit(0), seed, 60)
    assert 0 < found.refused <= 5
    assert fmean(found.seconds) <= fmean(base.seconds) * 1.03


def test_sixteen_users_of_a_server_that_batches_gain() -> None:
    assert ratio(Load("vllm", users=16), 1, 240) < 0.9

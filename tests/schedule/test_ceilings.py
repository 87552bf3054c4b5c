"""What may be ahead of whom at a server that has refused a call."""

from __future__ import annotations

import pytest

from ayo_bridge.runahead.offered import Offered
from ayo_bridge.schedule import ServerLoad
from ayo_bridge.schedule.ceilings import REST
from ayo_bridge.schedule.limits import START, AheadLimit
from ayo_bridge.schedule.refusals import STRANGERS
from ayo_bridge.seam import Query


def test_who_has_too_much_there_rests_alone() -> None:
    limit = AheadLimit()
    limit.taken("other")
    limit.refused(5, 0.0, "mine")
    limit.taken("other")
    assert limit.allowed(1.0, 1.0, "mine") == 0
    assert limit.allowed(1.0, 1.0, "other") == START
    assert limit.describe(1.0) == f"at most {START} calls ahead, none for 1 key that it refuses"
    assert limit.allowed(1.0, REST + 1.0, "mine") == 3
    assert limit.allowed(1.0, REST + 1.0, "other") == START
    limit.refused(4, REST + 1.0, "mine")
    assert limit.allowed(1.0, 3 * REST, "mine") == 0
    assert limit.describe(3 * REST + 2.0) == f"at most {START} calls ahead"


def test_of_one_caller_alone_the_limit_says_what_it_is_for_him() -> None:
    limit = AheadLimit()
    limit.refused(5, 0.0, "mine")
    limit.taken("mine")
    assert limit.describe(1.0) == "no work ahead for 29 s: it refused a call with 5 in flight"
    assert limit.describe(REST + 1.0) == "at most 3 calls ahead"


@pytest.mark.parametrize("between", [False, True])
def test_a_server_that_refuses_one_after_the_other_has_too_much_to_do(between: bool) -> None:
    limit = AheadLimit()
    for caller in range(STRANGERS):
        limit.refused(5, 0.0, caller)
        if between:
            limit.taken("known")
    assert (limit.allowed(1.0, 1.0, "known") == 0) is not between


def test_what_a_user_sets_is_what_may_be_ahead_again_after_a_while() -> None:
    limit = AheadLimit(3)
    limit.refused(4, 0.0)
    assert limit.allowed(1.0, REST + 1.0) == 2
    assert limit.allowed(1.0, 2 * REST) == 3
    assert limit.allowed(1.0, 3 * REST) == 3


def test_queries_of_who_rests_say_nothing_of_the_limit() -> None:
    limit = AheadLimit()
    limit.refused(5, 0.0, "mine")
    limit.taken("other")
    for _ in range(200):
        share = limit.draw("kind")
        limit.ended("kind", share, 9.0, 1, 1.0, caller="mine")
        limit.ended("kind", share, 1.5 if share < 1 else 1.0, 1, 1.0, caller="other")
    assert limit.allowed(1.0, 1.0, "other") > START


def offered(load: ServerLoad, caller: str) -> Offered:
    return Offered(load, Query("kind", 1), lambda: None, lambda error: None, caller=caller)


def test_what_waits_of_others_goes_on_waiting() -> None:
    load = ServerLoad(lambda: 0.0, AheadLimit(1))
    load.ahead = 1
    mine, other = offered(load, "mine"), offered(load, "other")
    for each in (mine, other):
        assert load.offer(each, lambda: 1.0)
    load.refused("mine")
    assert mine.future.cancelled()
    assert not other.future.done()
    assert not load.offer(offered(load, "mine"), lambda: 1.0)
    load.refused()
    assert other.future.cancelled()

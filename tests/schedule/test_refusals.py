"""Whose requests a replica does not take, and for how long it is not asked for them."""

from ayo_bridge.schedule.refusals import AGAIN, LONGEST_AGAIN, STRANGERS, Refusals
from ayo_bridge.schedule.routing import Prompt, Router, Routing


def test_who_is_refused_asks_again_after_ever_longer_times() -> None:
    refusals, now, waits = Refusals(), 0.0, []
    for _ in range(7):
        refusals.refuses(1, "mine", now, now)
        refusals.refuses(1, "mine", now, now - 1.0)  # It was on its way before.
        began = now
        while refusals.by("mine", now):
            now += 10.0
        waits.append(now - began)
    assert waits == [AGAIN, 2 * AGAIN, 4 * AGAIN, 8 * AGAIN, 16 * AGAIN, *[LONGEST_AGAIN] * 2]
    refusals.takes(1, "mine")
    refusals.refuses(1, "mine", now, now)
    assert not refusals.by("mine", now + AGAIN)


def test_others_go_on_asking_where_one_is_refused() -> None:
    router = Router(2, Routing.ROUND_ROBIN)
    mine, other = Prompt(caller="mine"), Prompt(caller="other")
    sent = router.begins(1, mine, 0.0)
    router.drops(sent, 0.0)
    router.refuses(sent, 0.0)
    assert {router.choose(mine, 1.0) for _ in range(4)} == {0}
    assert {router.choose(other, 1.0) for _ in range(4)} == {0, 1}
    assert {router.choose(Prompt(), 1.0) for _ in range(4)} == {0, 1}
    assert router.choose(mine, 1.0, {0}) is None
    assert {router.choose(mine, AGAIN + 1.0) for _ in range(4)} == {0, 1}


def test_one_that_refuses_one_after_the_other_refuses_all() -> None:
    router = Router(2, Routing.ROUND_ROBIN)

    def refused(caller: str, now: float) -> None:
        sent = router.begins(1, Prompt(caller=caller), now)
        router.drops(sent, now)
        router.refuses(sent, now)

    for caller in range(STRANGERS - 1):
        refused(str(caller), 0.0)
    assert not router.takes(1, 0.0)  # As far as is known,
    router.is_taken(router.begins(1, Prompt(caller="known"), 1.0))
    assert router.takes(1, 1.0)
    for caller in range(STRANGERS - 1):
        refused(str(caller), 2.0)
    assert router.is_up(1, 2.0)  # but not before so many, with none between them.
    refused("last", 3.0)
    assert not router.is_up(1, 3.0)
    router.returns(1, 4.0)
    assert {router.choose(Prompt(caller="last"), 4.0) for _ in range(4)} == {0, 1}


def test_one_that_refuses_whom_it_has_taken_last_is_known_to_take_nobody() -> None:
    refusals = Refusals()
    refusals.takes(0, "mine")
    assert refusals.known(0, "mine")
    refusals.refuses(0, "other", 0.0, 0.0)
    assert not refusals.all_by(0, 0.0)
    refusals.refuses(0, "mine", 0.0, 0.0)
    assert refusals.all_by(0, 0.0)
    refusals.forget(0)
    assert not refusals.all_by(0, 0.0)
    assert not refusals.by("mine", 0.0)


def test_only_so_many_are_remembered() -> None:
    refusals = Refusals()
    for caller in range(5000):
        refusals.refuses(0, caller, 0.0, 0.0)
        refusals.takes(0, "known")
    assert not refusals.by(0, 0.0)
    assert refusals.by(4999, 0.0)


def limited(router: Router, caller: str, now: float, seconds: float = 20.0) -> None:
    sent = router.begins(1, Prompt(caller=caller), now)
    router.drops(sent, now)
    router.limits(sent, now, seconds)


def test_who_asks_too_often_is_kept_away_for_as_long_as_he_is_told_and_others_are_not() -> None:
    router = Router(2, Routing.ROUND_ROBIN)
    mine, other = Prompt(caller="mine"), Prompt(caller="other")
    earlier = router.begins(1, mine, -1.0)
    limited(router, "mine", 0.0)
    limited(router, "mine", 1.0, 2.0)  # It was on its way: the longer time counts.
    router.is_taken(router.begins(1, other, 1.0))
    router.is_taken(earlier)
    assert {router.choose(mine, 19.0) for _ in range(4)} == {0}
    assert router.choose(mine, 19.0, {0}) is None
    assert router.rather(mine, 19.0, {0}) is None
    assert {router.choose(other, 19.0) for _ in range(4)} == {0, 1}
    assert {router.choose(mine, 20.0) for _ in range(4)} == {0, 1}
    limited(router, "mine", 21.0)  # Each time anew, and no longer.
    assert router.choose(mine, 41.0, {0}) == 1


def test_who_is_refused_asks_where_he_asks_too_often_only_once_he_may() -> None:
    router = Router(2, Routing.ROUND_ROBIN)
    mine = Prompt(caller="mine")
    sent = router.begins(1, mine, 0.0)
    router.drops(sent, 0.0)
    router.refuses(sent, 0.0)
    assert router.rather(mine, 1.0, {0}) == 1
    limited(router, "mine", 1.0)
    assert router.rather(mine, 2.0, {0}) is None
    assert router.rather(mine, 22.0, {0}) == 1


def test_one_that_has_too_much_of_one_after_the_other_rests_for_all() -> None:
    router = Router(2, Routing.ROUND_ROBIN)
    for caller in range(STRANGERS - 1):
        limited(router, str(caller), 0.0)
    assert not router.takes(1, 0.0)  # As far as is known,
    assert router.takes(1, 20.0)
    router.is_taken(router.begins(1, Prompt(caller="known"), 1.0))
    assert router.takes(1, 1.0)
    for caller in range(STRANGERS - 1):
        limited(router, str(caller), 2.0)
    assert router.is_up(1, 2.0)  # but not before so many, with none between them.
    limited(router, "last", 3.0)
    assert not router.is_up(1, 22.0)
    assert router.is_up(1, 23.0)
    assert not router.is_down(1)

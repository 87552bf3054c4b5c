"""When calls are let through unseen."""

from __future__ import annotations

from ayo_bridge.runahead.rest import ENOUGH, FIRST, LONGEST, Rest


def seen_of(rest: Rest, calls: int, *, useful: bool) -> int:
    """How many of so many calls are seen, all of them useful or none."""
    seen = 0
    for _ in range(calls):
        if not rest.lets_through():
            seen += 1
            rest.heard(useful=useful)
    return seen


def test_calls_in_which_something_is_done_are_all_seen() -> None:
    rest = Rest()
    assert seen_of(rest, 1000, useful=True) == 1000
    assert rest.unseen == 0


def test_after_many_useless_calls_only_some_are_seen_and_ever_fewer() -> None:
    rest = Rest()
    assert seen_of(rest, ENOUGH, useful=False) == ENOUGH
    assert seen_of(rest, FIRST + 1, useful=False) == 1
    assert seen_of(rest, 2 * FIRST + 1, useful=False) == 1
    seen_of(rest, 10 * LONGEST, useful=False)
    assert seen_of(rest, 10 * (LONGEST + 1), useful=False) == 10


def test_one_useful_call_ends_the_rest() -> None:
    rest = Rest()
    seen_of(rest, ENOUGH, useful=False)
    while rest.lets_through():
        pass
    rest.heard(useful=True)
    assert seen_of(rest, ENOUGH, useful=True) == ENOUGH
    assert rest.unseen == FIRST

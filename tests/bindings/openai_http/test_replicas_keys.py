"""Replicas that do not take every key: who has another one keeps them."""

from __future__ import annotations

import openai
import pytest

from ayo_bridge.engines.openai_http import replica_checks
from tests.bindings.openai_http.two_replicas import Make, answers, ask, leave, replicas_of


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("ahead", [False, True])
def test_a_key_that_one_refuses_takes_it_from_no_other_key(
    make: Make, status: int, ahead: bool
) -> None:
    world, other = make()
    mine = world.client()
    guest = mine.with_options(api_key="sk-guest")
    other.reply_when(lambda asked: "sk-guest" in asked.headers["authorization"], status=status)
    for _ in range(5):
        answers(world, ahead=ahead, client=mine)
        assert ask(world, guest).choices
    keys = [call.headers["authorization"] for call in other.calls if call.status != 200]
    assert keys == ["Bearer sk-guest"]
    assert [call.status for call in other.calls].count(200) >= 2
    assert replicas_of(world).up() == (True, True)
    leave(world.stub)  # Who has no other one asks where it was refused; its error is its own.
    with pytest.raises(openai.APIConnectionError):
        ask(world, guest)
    assert [call.status for call in other.calls][-1] == status


@pytest.mark.parametrize("ahead", [False, True])
def test_a_key_that_has_asked_one_too_often_takes_it_from_no_other_key(
    make: Make, ahead: bool
) -> None:
    world, other = make()
    mine = world.client()
    guest = mine.with_options(api_key="sk-guest")
    other.reply_when(
        lambda asked: "sk-guest" in asked.headers["authorization"],
        status=429,
        headers=[("retry-after", "20")],
    )
    for _ in range(5):
        answers(world, ahead=ahead, client=mine)
        assert ask(world, guest).choices
    keys = [call.headers["authorization"] for call in other.calls if call.status != 200]
    assert keys == ["Bearer sk-guest"]
    assert [call.status for call in other.calls].count(200) >= 2
    assert replicas_of(world).up() == (True, True)
    leave(world.stub)  # It says for how long: it is not asked before, also where no other one is.
    before = len(other.calls)
    with pytest.raises(openai.APIConnectionError):
        ask(world, guest)
    assert len(other.calls) == before


def test_one_that_is_asked_too_often_by_all_rests_for_all(make: Make) -> None:
    world, other = make("least_outstanding")
    other.reply_when("sky", status=429, headers=[("retry-after", "20")])
    for number in range(20):
        assert ask(world, world.client().with_options(api_key=f"sk-{number}")).choices
    assert len(other.calls) <= 3
    assert replicas_of(world).up() == (True, False)


def test_one_that_refuses_key_after_key_is_left_for_others(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_checks, "EVERY", 60.0)
    world, other = make("least_outstanding")
    other.reply_when("sky", status=401)
    for number in range(20):
        assert ask(world, world.client().with_options(api_key=f"sk-{number}")).choices
    assert len(other.calls) <= 3
    assert replicas_of(world).up() == (True, False)

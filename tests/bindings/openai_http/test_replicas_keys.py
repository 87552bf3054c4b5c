"""Replicas that do not take every key: who has another one keeps them."""

from __future__ import annotations

import openai
import pytest

from ayo_bridge.engines.openai_http import replica_checks
from tests.bindings.openai_http.harness import World
from tests.bindings.openai_http.two_replicas import Make, answers, ask, leave, replicas_of
from tests.stub_openai import StubOpenAI, StubRequest


def is_of_guest(asked: StubRequest) -> bool:
    return "sk-guest" in asked.headers["authorization"]


def keeps_others(world: World, other: StubOpenAI, guest: openai.OpenAI, *, ahead: bool) -> None:
    """A replica refuses a guest once, and goes on to serve others, who all have their answers."""
    mine = world.client()
    for _ in range(5):
        answers(world, ahead=ahead, client=mine)
        assert ask(world, guest).choices
    keys = [call.headers["authorization"] for call in other.calls if call.status != 200]
    assert keys == ["Bearer sk-guest"]
    assert [call.status for call in other.calls].count(200) >= 2
    assert replicas_of(world).up() == (True, True)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("ahead", [False, True])
def test_a_key_that_one_refuses_takes_it_from_no_other_key(
    make: Make, status: int, ahead: bool
) -> None:
    world, other = make()
    guest = world.client().with_options(api_key="sk-guest")
    other.reply_when(is_of_guest, status=status)
    keeps_others(world, other, guest, ahead=ahead)
    leave(world.stub)  # Who has no other one asks where it was refused; its error is its own.
    with pytest.raises(openai.APIConnectionError):
        ask(world, guest)
    assert [call.status for call in other.calls][-1] == status


@pytest.mark.parametrize("ahead", [False, True])
def test_a_key_that_has_asked_one_too_often_takes_it_from_no_other_key(
    make: Make, ahead: bool
) -> None:
    world, other = make()
    guest = world.client().with_options(api_key="sk-guest")
    other.reply_when(is_of_guest, status=429, headers=[("retry-after", "20")])
    keeps_others(world, other, guest, ahead=ahead)
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

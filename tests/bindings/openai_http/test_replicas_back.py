"""Replicas that are back before anybody knows: they are asked rather than none."""

from __future__ import annotations

import openai
import pytest

from ayo_bridge.engines.openai_http import replica_checks
from ayo_bridge.schedule.routing import Prompt, Router, Routing
from tests.bindings.openai_http.two_replicas import Make, answers, ask, leave
from tests.deadline import eventually
from tests.stub_openai import StubOpenAI


def come_back(stub: StubOpenAI) -> None:
    stub.loop.call_soon_threadsafe(stub._restart, 0.0)
    eventually(lambda: not stub.away, "the server is back")


@pytest.mark.parametrize("ahead", [False, True])
def test_replicas_that_restart_one_after_the_other_cost_no_answer(
    make: Make, monkeypatch: pytest.MonkeyPatch, ahead: bool
) -> None:
    monkeypatch.setattr(replica_checks, "EVERY", 60.0)  # Nobody looks after them in time.
    world, other = make()
    ask(world)
    leave(other)
    assert ask(world).choices  # It is known to be gone from now on,
    come_back(other)
    leave(world.stub)
    answers(world, ahead=ahead)
    assert (len(world.stub.calls), len(other.calls)) == (2, 1)
    leave(other)
    with pytest.raises(openai.APIConnectionError):
        ask(world)


def test_only_those_that_have_failed_at_once_are_asked_rather_than_none() -> None:
    router, prompt = Router(5, Routing.ROUND_ROBIN), Prompt()
    for number, seconds in ((1, 2.0), (2, 0.1), (3, 0.5)):
        router.misses(router.begins(number, prompt, 1.0), 1.0 + seconds)
    router.fails(4, 1.0)  # It takes connections, and answers nothing.
    assert router.choose(prompt, 3.0, {0}) is None
    assert router.rather(prompt, 3.0, {0}) == 2
    assert router.rather(prompt, 3.0, {0, 2}) == 3
    assert router.rather(prompt, 3.0, {0, 2, 3}) is None
    router.removes(2)
    assert router.rather(prompt, 3.0, {0}) == 3

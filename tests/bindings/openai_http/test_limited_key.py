"""A server that has too much of one key goes on having work ahead of others."""

from __future__ import annotations

import threading
from dataclasses import replace

import openai
import pytest

from ayo_bridge.engines.openai_http import make_call
from ayo_bridge.seam import Call, Outcome
from tests.bindings.openai_http.harness import CHAT, ENGINE, World, outcomes
from tests.deadline import eventually

GUEST = "sk-guest"


def refuse_guest(world: World, status: int) -> None:
    world.stub.reply_when(lambda asked: GUEST in asked.headers["authorization"], status=status)


def guests(world: World) -> tuple[openai.OpenAI, Call]:
    """A client with another key, and its call ahead."""
    request = world.request()
    headers = tuple(
        (name, value.replace(b"sk-test", GUEST.encode())) for name, value in request.headers
    )
    client = world.client().with_options(api_key=GUEST)
    return client, make_call(ENGINE, replace(request, headers=headers))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("whose", ["ahead", "its own"])
def test_a_key_of_which_it_has_too_much_keeps_no_work_of_others_away(
    world: World, status: int, whose: str
) -> None:
    client, call = guests(world)
    mine = world.client()
    refuse_guest(world, status)
    assert mine.chat.completions.create(**CHAT).choices
    calls = (call,) if whose == "ahead" else (world.call(),)
    with world.ahead(*calls), pytest.raises(openai.APIStatusError):
        client.chat.completions.create(**CHAT)
    with world.ahead(world.call(**CHAT)) as scope:
        assert mine.chat.completions.create(**CHAT).choices
    assert outcomes(scope) == [Outcome.HIT if status == 429 else Outcome.DIRECT]
    with world.ahead(call) as scope, pytest.raises(openai.APIStatusError):
        client.chat.completions.create(**CHAT)
    assert outcomes(scope) == [Outcome.DIRECT]


def test_a_refusal_is_kept_back_for_what_was_ahead_then_and_not_for_what_comes_later(
    world: World,
) -> None:
    client, _ = guests(world)
    refuse_guest(world, 429)
    over = threading.Event()

    def others() -> None:
        mine = world.client()
        while not over.is_set():
            with world.ahead(world.call(**CHAT)):
                mine.chat.completions.create(**CHAT)

    threads = [threading.Thread(target=others) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        load = world.runtime.load(world.server.server)
        eventually(lambda: load.disturbed, "something is ahead")
        with world.ahead(), pytest.raises(openai.RateLimitError):
            client.with_options(timeout=20.0).chat.completions.create(**CHAT)
        assert not over.is_set()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    asked = [each for each in world.stub.calls if GUEST in each.headers["authorization"]]
    assert len(asked) < 12

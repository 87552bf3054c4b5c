"""Calls that fail, are late or are given up: what the original sees of them.

Uses the `openai` package and the core alone; tests/openai3 runs it against openai 3, too.
"""

import asyncio

import openai
import pytest

from ayo_bridge.seam import Outcome
from tests.bindings.openai_http.harness import CHAT, World, outcomes
from tests.deadline import eventually


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (500, openai.APIStatusError)],
)
def test_an_error_status_is_the_originals_own(
    world: World, status: int, error: type[openai.APIStatusError]
) -> None:
    world.stub.reply_when("sky", status=status, headers=[("retry-after", "7")])
    with pytest.raises(error) as expected:
        world.client().chat.completions.create(**CHAT)
    with world.ahead(world.call(**CHAT)) as scope, pytest.raises(error) as found:
        world.client().chat.completions.create(**CHAT)

    assert str(found.value) == str(expected.value)
    assert found.value.body == expected.value.body
    assert sorted(found.value.response.headers.items()) == sorted(
        expected.value.response.headers.items()
    )
    assert outcomes(scope) == [Outcome.DROPPED, Outcome.DIRECT]
    assert len(world.stub.calls) == 3


@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_what_work_ahead_was_refused_never_reaches_the_caller(world: World, status: int) -> None:
    world.stub.reply_when("sky", status=status, times=1, headers=[("retry-after", "7")])
    with world.ahead(world.call(**CHAT)) as scope:
        reply = world.client().chat.completions.create(**CHAT)

    assert reply.choices[0].message.content == world.stub.text(world.stub.calls[0].body)
    assert outcomes(scope) == [Outcome.DROPPED, Outcome.DIRECT]
    assert len(world.stub.calls) == 2


@pytest.mark.parametrize("status", [429, 503, 529])
def test_a_refusal_next_to_work_ahead_is_asked_again(world: World, status: int) -> None:
    world.stub.reply_when("sky", status=status, times=2)  # The call ahead, and the original's.
    with world.ahead(world.call(**CHAT)) as scope:
        reply = world.client().chat.completions.create(**CHAT)

    assert reply.choices[0].finish_reason == "stop"
    assert outcomes(scope) == [Outcome.DROPPED, Outcome.DIRECT]
    assert len(world.stub.calls) == 3
    load = world.runtime.load(world.server.server)
    assert "no work ahead" in load.description


async def test_a_refusal_is_asked_again_asynchronously(world: World) -> None:
    world.stub.reply_when("sky", status=429, times=3, headers=[("retry-after", "0.01")])
    async with world.async_client() as client:
        with world.ahead(world.call(**CHAT)) as scope:
            reply = await client.chat.completions.create(**CHAT)

    assert reply.choices[0].finish_reason == "stop"
    assert outcomes(scope) == [Outcome.DROPPED, Outcome.DIRECT]


def test_a_refusal_with_nothing_ahead_is_the_originals(world: World) -> None:
    world.stub.reply_when("sky", status=429)
    with world.ahead() as scope, pytest.raises(openai.RateLimitError):
        world.client().chat.completions.create(**CHAT)
    assert outcomes(scope) == [Outcome.DIRECT]
    assert len(world.stub.calls) == 1


def test_a_refusal_that_asks_for_more_patience_than_there_is_is_handed_on(world: World) -> None:
    world.stub.reply_when("sky", status=429, headers=[("retry-after", "60")])
    with world.ahead(world.call(**CHAT)), pytest.raises(openai.RateLimitError):
        world.client().chat.completions.create(**CHAT)
    assert len(world.stub.calls) == 2


@pytest.mark.parametrize("cut", [0, 20], ids=["before the reply", "within the reply"])
def test_a_lost_connection_ahead_is_made_good_by_the_original(world: World, cut: int) -> None:
    world.stub.reply_when("sky", disconnect=cut, times=1)
    with world.ahead(world.call(**CHAT)) as scope:
        reply = world.client().chat.completions.create(**CHAT)

    assert reply.choices[0].finish_reason == "stop"
    assert outcomes(scope) == [Outcome.DROPPED, Outcome.DIRECT]


def test_the_original_waits_its_own_time_and_gets_its_own_error(world: World) -> None:
    world.stub.latency = 30
    with pytest.raises(openai.APITimeoutError) as expected:
        world.client(timeout=0.3).chat.completions.create(**CHAT)
    with world.ahead(world.call(**CHAT)) as scope, pytest.raises(openai.APITimeoutError) as found:
        world.client(timeout=0.3).chat.completions.create(**CHAT)

    assert str(found.value) == str(expected.value)
    assert type(found.value.__cause__) is type(expected.value.__cause__)
    assert str(found.value.__cause__) == str(expected.value.__cause__)
    assert outcomes(scope) == [Outcome.CANCELLED]
    assert len(world.stub.calls) == 2
    eventually(lambda: world.stub.calls[1].aborted, "the abort")


async def test_an_async_original_waits_its_own_time(world: World) -> None:
    world.stub.latency = 30
    async with world.async_client(timeout=0.3) as client:
        with pytest.raises(openai.APITimeoutError) as expected:
            await client.chat.completions.create(**CHAT)
        with world.ahead(world.call(**CHAT)), pytest.raises(openai.APITimeoutError) as found:
            await client.chat.completions.create(**CHAT)

    assert str(found.value.__cause__) == str(expected.value.__cause__)
    assert type(found.value.__cause__) is type(expected.value.__cause__)
    assert len(world.stub.calls) == 2


def test_closing_the_scope_aborts_what_nobody_asked_for(world: World) -> None:
    world.stub.latency = 30
    with world.ahead(world.call(**CHAT)) as scope:
        eventually(lambda: bool(world.stub.calls), "the request")

    assert outcomes(scope) == [Outcome.WASTED]
    eventually(lambda: world.stub.calls[0].aborted, "the abort")


async def test_cancelling_a_waiter_leaves_the_request_to_its_scope(world: World) -> None:
    world.stub.latency = 30
    async with world.async_client() as client:
        with world.ahead(world.call(**CHAT)):
            waiter = asyncio.ensure_future(client.chat.completions.create(**CHAT))
            while not world.stub.calls:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
            assert not world.stub.calls[0].aborted
    eventually(lambda: world.stub.calls[0].aborted, "the abort")

"""Calls that fail, are late or are given up: what the original sees of them.

Uses the `openai` package and the core alone; tests/openai3 runs it against openai 3, too.
"""

import asyncio
from typing import Any

import openai
import pytest

from ayo_bridge.seam import Outcome
from tests.bindings.openai_http.harness import CHAT, World, outcomes
from tests.deadline import eventually


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (500, openai.APIStatusError)],
)
def test_an_error_status_is_replayed(
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
    assert outcomes(scope) == [Outcome.HIT]


@pytest.mark.parametrize("status", [429, 500])
def test_a_replayed_error_is_retried_by_the_sdk(world: World, status: int) -> None:
    world.stub.reply_when("sky", status=status, times=1, headers=[("retry-after-ms", "1")])
    with world.ahead(world.call(**CHAT)) as scope:
        reply = world.client(max_retries=2).chat.completions.create(**CHAT)

    assert reply.choices[0].message.content == world.stub.text(world.stub.calls[0].body)
    assert outcomes(scope) == [Outcome.HIT, Outcome.DIRECT]
    assert len(world.stub.calls) == 2


@pytest.mark.parametrize("cut", [0, 20], ids=["before the reply", "within the reply"])
def test_a_lost_connection_ahead_is_made_good_by_the_original(world: World, cut: int) -> None:
    world.stub.reply_when("sky", disconnect=cut, times=1)
    with world.ahead(world.call(**CHAT)) as scope:
        reply = world.client().chat.completions.create(**CHAT)

    assert reply.choices[0].finish_reason == "stop"
    assert outcomes(scope) == [Outcome.DROPPED, Outcome.DIRECT]


def test_a_timeout_ahead_leaves_the_original_its_own(world: World) -> None:
    world.stub.reply_when("sky", latency=30, times=1)
    call = world.call(**CHAT)
    hasty = type(call)(call.engine, call.key, _with_timeout(call.payload, 0.1))
    with world.ahead(hasty) as scope:
        reply = world.client().chat.completions.create(**CHAT)

    assert reply.choices[0].finish_reason == "stop"
    assert outcomes(scope) == [Outcome.DROPPED, Outcome.DIRECT]
    assert "ReadTimeout" in scope.record.calls[0].error


def _with_timeout(request: Any, timeout: float) -> Any:
    return type(request)(request.url, request.headers, request.body, timeout)


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

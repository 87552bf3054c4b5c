"""Requests to replicas: where they go, what the application sees of it, and what of failures.

Uses the `openai` package and the core alone.
"""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

from ayo_bridge.engines.openai_http import Delivery, OpenAIServer, replica_checks
from ayo_bridge.engines.openai_http.request import make_warm
from ayo_bridge.seam import Outcome, entered
from tests.bindings.openai_http.harness import API_KEY, CHAT, ENGINE, USAGE, outcomes
from tests.bindings.openai_http.two_replicas import (
    LONG,
    Make,
    ask,
    ask_async,
    ask_for_stream,
    leave,
)
from tests.deadline import eventually
from tests.scopes import open_scope


def test_the_originals_own_requests_go_to_all_and_its_client_sees_its_own_address(
    make: Make,
) -> None:
    world, other = make()
    client = world.client()
    seen = []
    with entered(open_scope(world.runtime)):
        for _ in range(4):
            raw = client.chat.completions.with_raw_response.create(**CHAT)
            seen.append(str(raw.http_request.url))
            assert raw.parse().choices[0].message.content == world.stub.text(CHAT)
    assert (len(world.stub.calls), len(other.calls)) == (2, 2)
    assert set(seen) == {f"{world.stub.base_url}/chat/completions"}
    one, two = world.stub.calls[0], other.calls[0]
    assert two.headers["host"] == other.root_url.removeprefix("http://")
    assert two.headers["authorization"] == f"Bearer {API_KEY}"
    assert two.raw == one.raw
    assert {**two.headers, "host": ""} == {**one.headers, "host": ""}


async def test_asynchronous_and_streamed_ones_too(make: Make) -> None:
    world, other = make()
    client = world.async_client()
    await ask_async(world, client)
    with entered(open_scope(world.runtime)):
        stream = await client.chat.completions.create(**CHAT, stream=True, **USAGE)
        said = [event.choices[0].delta.content or "" async for event in stream if event.choices]
    await client.close()
    assert "".join(said) == world.stub.text(CHAT)
    assert (len(world.stub.calls), len(other.calls)) == (1, 1)


def test_without_a_scope_nothing_changes(make: Make) -> None:
    world, other = make()
    client = world.client()
    for _ in range(3):
        client.chat.completions.create(**CHAT)
    assert (len(world.stub.calls), len(other.calls)) == (3, 0)


@pytest.mark.parametrize("delivery", [Delivery.PLAIN, Delivery.REPLAY_STREAM])
def test_a_reply_made_ahead_by_a_replica_is_the_originals(make: Make, delivery: Delivery) -> None:
    world, other = make()
    ask(world)  # The next one goes to the other replica.
    stream: dict[str, Any] = {"stream": True} if delivery is Delivery.REPLAY_STREAM else {}
    with world.ahead(world.call(delivery, **CHAT, **stream)) as scope:
        reply = world.client().chat.completions.create(**CHAT, **stream)
        if stream:
            assert [event.choices[0].finish_reason for event in reply][-1] == "stop"
    assert outcomes(scope) == [Outcome.HIT]
    assert (len(world.stub.calls), len(other.calls)) == (1, 1)
    assert other.calls[0].headers["host"] == other.root_url.removeprefix("http://")


def test_a_warm_and_the_request_that_goes_on_from_it_share_a_replica(make: Make) -> None:
    world, other = make("prefix")
    for number in range(6):
        begun: Any = [{"role": "user", "content": f"{number}. {LONG}"}]
        whole: Any = [{"role": "user", "content": f"{number}. {LONG} and so?"}]
        warm = make_warm(ENGINE, world.request(messages=begun))
        with world.ahead(warm, world.call(messages=whole)):
            reply = world.client().chat.completions.create(model="stub", messages=whole)
            assert reply.choices
    for stub in (world.stub, other):
        warms = sorted(r.prompt[:2] for r in stub.requests if r.mark == "warm")
        assert warms == sorted(r.prompt[:2] for r in stub.calls)
        assert len(warms) == 3


def test_a_replica_that_is_gone_costs_nobody_an_answer(make: Make) -> None:
    world, other = make()
    leave(other)
    client = world.client()
    for _ in range(3):
        assert ask(world, client).choices
    with world.ahead(world.call(**CHAT)) as scope:
        assert client.chat.completions.create(**CHAT).choices
    assert outcomes(scope) == [Outcome.HIT]
    assert len(world.stub.calls) == 4
    (replicas,) = world.runtime.replicated.all
    assert replicas.up() == (True, False)


def test_work_ahead_goes_on_at_another_replica(make: Make) -> None:
    world, other = make()
    ask(world)  # The next one goes to the other replica, of which nobody knows that it is gone.
    leave(other)
    with world.ahead(world.call(**CHAT)) as scope:
        assert world.client().chat.completions.create(**CHAT).choices
    assert outcomes(scope) == [Outcome.HIT]


@pytest.mark.parametrize("why", ["hangs up", "drains"])
async def test_who_takes_nothing_is_left_for_another(make: Make, why: str) -> None:
    world, other = make()
    what: dict[str, Any] = {"silent": True} if why == "hangs up" else {"status": 503}
    world.stub.reply_when("sky", **what)
    client = world.async_client()
    for _ in range(3):
        assert (await ask_async(world, client)).choices
    await client.close()
    assert ask(world).choices
    assert (len(world.stub.calls), len(other.calls)) == (1, 4)


def test_where_all_are_gone_the_error_is_that_of_ones_own_address(make: Make) -> None:
    world, other = make()
    ask(world)
    leave(other)
    leave(world.stub)
    with pytest.raises(openai.APIConnectionError) as found:
        ask(world)
    assert str(found.value.request.url) == f"{world.stub.base_url}/chat/completions"
    assert type(found.value.__cause__).__name__ == "ConnectError"


@pytest.mark.parametrize("first", ["its own", "the other"])
def test_where_all_drain_the_refusal_is_that_of_ones_own_address(make: Make, first: str) -> None:
    world, other = make()
    if first == "the other":
        ask(world)
    before = len(world.stub.calls)
    world.stub.reply_when("sky", status=503, headers=[("x-who", "own")])
    other.reply_when("sky", status=503, headers=[("x-who", "other")])
    with pytest.raises(openai.InternalServerError) as found:
        ask(world)
    assert found.value.response.headers["x-who"] == "own"
    assert len(world.stub.calls) - before <= 2
    assert len(other.calls) == 1


def test_an_error_that_is_an_answer_and_a_silence_are_the_originals_own(make: Make) -> None:
    world, other = make()
    world.stub.reply_when("sky", status=400)
    with pytest.raises(openai.BadRequestError):
        ask(world)
    other.reply_when("sky", latency=30.0)
    with pytest.raises(openai.APITimeoutError):
        ask(world, world.client(timeout=0.2))
    assert (len(world.stub.calls), len(other.calls)) == (1, 1)


def test_a_stream_that_breaks_off_breaks_off(make: Make) -> None:
    world, other = make()
    world.stub.reply_when("sky", disconnect=2)
    with pytest.raises(Exception, match=r"incomplete|peer closed"):
        list(ask_for_stream(world))
    assert len(list(ask_for_stream(world))) > 2  # The next one goes elsewhere.
    assert len(other.calls) == 1


def test_a_replica_that_comes_back_has_its_share_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_checks, "EVERY", 0.02)
    world, other = make()
    leave(other)
    for _ in range(2):
        ask(world)
    (replicas,) = world.runtime.replicated.all
    assert replicas.up() == (True, False)
    asyncio.run_coroutine_threadsafe(other._listen(), other.loop).result()
    eventually(lambda: replicas.up() == (True, True), "the replica is seen to be back")
    for _ in range(4):
        ask(world)
    assert len(other.calls) == 2


def test_one_who_has_no_replicas_declared_is_let_alone(make: Make) -> None:
    world, other = make()
    ask(world, model="stub", messages=[{"role": "user", "content": "one"}])
    lonely = OpenAIServer("llm:another@127.0.0.1:1", world.stub.base_url)
    world.runtime.register(lonely)
    assert lonely.routes is None
    assert world.server.routes is not None
    assert not other.calls


def test_a_cancelled_call_is_forgotten(make: Make) -> None:
    world, _ = make("least_outstanding")
    world.stub.latency = 30.0

    async def give_up() -> None:
        client = world.async_client()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask_async(world, client), 0.1)
        await client.close()

    asyncio.run(give_up())
    (replicas,) = world.runtime.replicated.all
    assert [replicas._router.sequences(number) for number in (0, 1)] == [0, 0]

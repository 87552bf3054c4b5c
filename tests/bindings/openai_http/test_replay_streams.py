"""Replayed streams: while they arrive, to their end, and what closes them.

Uses the `openai` package and the core alone; tests/openai3 runs it against openai 3, too.
"""

import asyncio
import gc
from typing import Any

import pytest

from ayo_bridge.engines.openai_http import Delivery
from ayo_bridge.seam import Outcome
from tests.bindings.openai_http.harness import CHAT, USAGE, World, only, outcomes
from tests.deadline import eventually
from tests.signals import read, thrown_once
from tests.stub_openai import Cut


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
async def test_a_direct_async_stream_is_observed_to_its_end(world: World, compress: bool) -> None:
    world.stub.compress = compress
    with world.ahead() as scope:
        async with world.async_client() as client:
            stream = await client.chat.completions.create(**CHAT, stream=True, **USAGE)
            assert only(scope).ended is None
            chunks = [chunk async for chunk in stream]

    record = only(scope)
    assert record.ended is not None
    assert record.completion_tokens == chunks[-1].usage.completion_tokens
    assert not record.error


def test_a_direct_stream_that_is_closed_early_has_no_result(world: World) -> None:
    world.stub.token_interval = 0.05
    with world.ahead() as scope:
        stream = world.client().chat.completions.create(**CHAT, stream=True)
        next(iter(stream))
        stream.close()

    assert "ReplyAbandonedError" in only(scope).error
    eventually(lambda: world.stub.calls[0].aborted, "the abort")


def test_a_stream_is_replayed_while_it_arrives(world: World) -> None:
    world.stub.token_interval = 0.05
    body = {**CHAT, "stream": True}
    with world.ahead(world.call(Delivery.REPLAY_STREAM, **body)) as scope:
        stream = iter(world.client().chat.completions.create(**body))
        next(stream)
        assert world.stub.calls[0].ended is None
        rest = list(stream)

    assert len(rest) > 5
    record = only(scope)
    assert record.ended is not None
    assert record.ended - (record.started or 0.0) >= 0.05 * len(rest) * 0.9


def test_closing_a_replayed_stream_stops_the_server(world: World) -> None:
    world.stub.token_interval = 0.05
    body = {**CHAT, "stream": True}
    with world.ahead(world.call(Delivery.REPLAY_STREAM, **body)):
        stream = world.client().chat.completions.create(**body)
        next(iter(stream))
        stream.close()
        eventually(lambda: world.stub.calls[0].aborted, "the abort")


async def test_closing_a_replayed_async_stream_stops_the_server(world: World) -> None:
    world.stub.token_interval = 0.05
    body = {**CHAT, "stream": True}
    async with world.async_client() as client:
        with world.ahead(world.call(Delivery.REPLAY_STREAM, **body)):
            stream = await client.chat.completions.create(**body)
            await anext(aiter(stream))
            await stream.close()
            eventually(lambda: world.stub.calls[0].aborted, "the abort")


@pytest.mark.parametrize(
    ("ahead", "asked"),
    [
        ({}, {"stream": True}),
        ({"stream": True}, {}),
        ({"stream": True}, {"stream": True, **USAGE}),
    ],
    ids=["plain for a stream", "stream for a plain", "stream without usage"],
)
def test_another_form_of_delivery_is_not_consumed(
    world: World, ahead: dict[str, Any], asked: dict[str, Any]
) -> None:
    delivery = Delivery.REPLAY_STREAM if ahead else Delivery.PLAIN
    with world.ahead(world.call(delivery, **CHAT, **ahead)) as scope:
        reply = world.client().chat.completions.create(**CHAT, **asked)
        if asked:
            list(reply)

    assert outcomes(scope) == [Outcome.WASTED, Outcome.DIRECT]


def test_a_stream_that_breaks_off_raises_what_the_original_would(world: World) -> None:
    world.stub.reply_when("sky", disconnect=4)
    body = {**CHAT, "stream": True}

    def read() -> tuple[int, Exception]:
        count = 0
        try:
            for _ in world.client().chat.completions.create(**body):
                count += 1
        except Exception as error:
            return count, error
        raise AssertionError("the stream did not break off")

    count, expected = read()
    with world.ahead(world.call(Delivery.REPLAY_STREAM, **body)) as scope:
        replayed, found = read()

    assert replayed == count == 4
    assert type(found) is type(expected)
    assert str(found) == str(expected)
    assert type(found.__cause__).__name__ == type(expected.__cause__).__name__
    # What has broken off before anybody read it is left to the original.
    assert outcomes(scope) in ([Outcome.HIT], [Outcome.DROPPED, Outcome.DIRECT])


def test_what_a_handler_of_signals_throws_at_who_reads_is_raised(world: World) -> None:
    world.stub.reply_when("sky", disconnect=3, cut=Cut.HANG)
    body = {**CHAT, "stream": True}
    seen: list[object] = []
    thrown = RuntimeError("the time of this task is over")
    with world.ahead(world.call(Delivery.REPLAY_STREAM, **body)) as scope:
        stream = world.client().chat.completions.create(**body)
        with thrown_once(lambda: len(seen) == 3, thrown), pytest.raises(RuntimeError) as raised:
            read(stream, seen)
        stream.close()
        assert raised.value is thrown
    assert outcomes(scope) == [Outcome.HIT]


async def test_an_async_stream_that_breaks_off_raises_what_the_original_would(
    world: World,
) -> None:
    world.stub.reply_when("sky", disconnect=4)
    body = {**CHAT, "stream": True}
    async with world.async_client() as client:

        async def read() -> Exception:
            try:
                async for _ in await client.chat.completions.create(**body):
                    pass
            except Exception as error:
                return error
            raise AssertionError("the stream did not break off")

        expected = await read()
        with world.ahead(world.call(Delivery.REPLAY_STREAM, **body)):
            found = await read()

    assert type(found) is type(expected)
    assert str(found) == str(expected)


async def test_a_reply_is_read_on_other_loops_than_the_runtimes(world: World) -> None:
    body = {**CHAT, "stream": True}
    world.stub.token_interval = 0.01

    def in_another_loop() -> int:
        async def read() -> int:
            async with world.async_client() as client:
                return len([c async for c in await client.chat.completions.create(**body)])

        return asyncio.run(read())

    with world.ahead(world.call(Delivery.REPLAY_STREAM, **body)) as scope:
        count = await asyncio.to_thread(in_another_loop)

    assert count == 10
    assert outcomes(scope) == [Outcome.HIT]


def test_a_stream_that_nobody_takes_is_stopped(world: World) -> None:
    world.stub.token_interval = 0.1
    body = {**CHAT, "stream": True}
    with world.ahead(world.call(Delivery.REPLAY_STREAM, **body)):
        eventually(lambda: bool(world.stub.calls), "the request")
        eventually(lambda: world.stub.calls[0].status is not None, "the headers")

    # Its reply is dropped with the scope; the collector finds it, at the latest.
    eventually(lambda: not gc.collect() or world.stub.calls[0].aborted, "the abort")
    eventually(lambda: world.stub.calls[0].aborted, "the abort")

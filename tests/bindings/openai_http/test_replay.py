"""The original's client gets from a recording what it would have got from the server.

Uses the `openai` package and the core alone; tests/openai3 runs it against openai 3, too.
"""

from collections.abc import Callable, Sequence
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from ayo_bridge.engines.openai_http import Delivery
from ayo_bridge.graph import Graph, Op, Primitive, Template
from ayo_bridge.runahead import Plan
from ayo_bridge.schedule import Values, Work, component_op
from ayo_bridge.seam import EngineCall, Outcome
from tests.bindings.openai_http.harness import (
    CHAT,
    ENGINE,
    TEXT,
    USAGE,
    Given,
    World,
    only,
    outcomes,
)


class Answer(BaseModel):
    colour: str


def plain_chat(client: openai.OpenAI) -> Any:
    return client.chat.completions.create(**CHAT).model_dump()


def plain_text(client: openai.OpenAI) -> Any:
    return client.completions.create(**TEXT).model_dump()


def with_logprobs(client: openai.OpenAI) -> Any:
    return client.chat.completions.create(**CHAT, logprobs=True, top_logprobs=1).model_dump()


def streamed_chat(client: openai.OpenAI) -> Any:
    return [c.model_dump() for c in client.chat.completions.create(**CHAT, stream=True, **USAGE)]


def streamed_text(client: openai.OpenAI) -> Any:
    return [chunk.model_dump() for chunk in client.completions.create(**TEXT, stream=True)]


def raw(client: openai.OpenAI) -> Any:
    reply = client.chat.completions.with_raw_response.create(**CHAT)
    response = reply.http_response
    return (
        reply.status_code,
        sorted(reply.headers.multi_items()),
        reply.content,
        reply.parse().model_dump(),
        reply.http_version,
        response.reason_phrase,
        response.encoding,
        response.num_bytes_downloaded,
        response.is_closed,
        response.is_stream_consumed,
        str(response.url),
        response.elapsed.total_seconds() >= 0,
        response.history,
    )


def with_streaming_response(client: openai.OpenAI) -> Any:
    with client.chat.completions.with_streaming_response.create(**CHAT) as reply:
        return reply.status_code, sorted(reply.headers.items()), list(reply.iter_lines())


def raw_stream(client: openai.OpenAI) -> Any:
    reply = client.chat.completions.with_raw_response.create(**CHAT, stream=True)
    return sorted(reply.headers.items()), [chunk.model_dump() for chunk in reply.parse()]


def parsed(client: openai.OpenAI) -> Any:
    reply = client.chat.completions.parse(**CHAT, response_format=Answer)
    return reply.model_dump(warnings=False), type(reply.choices[0].message.parsed)


def stream_helper(client: openai.OpenAI) -> Any:
    with client.chat.completions.stream(**CHAT) as stream:
        return [event.type for event in stream], stream.get_final_completion().model_dump()


FORMS: dict[str, tuple[Callable[[openai.OpenAI], Any], Delivery]] = {
    "plain chat": (plain_chat, Delivery.PLAIN),
    "plain text": (plain_text, Delivery.PLAIN),
    "logprobs": (with_logprobs, Delivery.PLAIN),
    "streamed chat": (streamed_chat, Delivery.REPLAY_STREAM),
    "streamed text": (streamed_text, Delivery.REPLAY_STREAM),
    "raw response": (raw, Delivery.PLAIN),
    "streaming response": (with_streaming_response, Delivery.PLAIN),
    "raw streamed response": (raw_stream, Delivery.REPLAY_STREAM),
    "parse": (parsed, Delivery.PLAIN),
    "stream helper": (stream_helper, Delivery.REPLAY_STREAM),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_a_hit_equals_the_original(world: World, name: str, compress: bool) -> None:
    form, delivery = FORMS[name]
    world.stub.compress = compress
    if form is parsed:
        world.stub.text = lambda body: '{"colour": "blue"}'
    form(world.client())  # The SDK is warmed up.
    expected = form(world.client())
    call = world.again(delivery)
    world.stub.reset()

    with world.ahead(call) as scope:
        found = form(world.client())

    assert found == expected
    assert outcomes(scope) == [Outcome.HIT]
    assert len(world.stub.calls) == 1


async def async_plain(client: openai.AsyncOpenAI) -> Any:
    return (await client.chat.completions.create(**CHAT)).model_dump()


async def async_text(client: openai.AsyncOpenAI) -> Any:
    return (await client.completions.create(**TEXT)).model_dump()


async def async_stream(client: openai.AsyncOpenAI) -> Any:
    stream = await client.chat.completions.create(**CHAT, stream=True, **USAGE)
    return [chunk.model_dump() async for chunk in stream]


async def async_raw(client: openai.AsyncOpenAI) -> Any:
    reply = await client.chat.completions.with_raw_response.create(**CHAT)
    return sorted(reply.headers.items()), reply.content, reply.http_response.is_closed


async def async_streaming_response(client: openai.AsyncOpenAI) -> Any:
    async with client.chat.completions.with_streaming_response.create(**CHAT) as reply:
        return [line async for line in reply.iter_lines()]


async def async_parsed(client: openai.AsyncOpenAI) -> Any:
    reply = await client.chat.completions.parse(**CHAT, response_format=Answer)
    return reply.model_dump(warnings=False)


ASYNC_FORMS: dict[str, tuple[Callable[[openai.AsyncOpenAI], Any], Delivery]] = {
    "plain chat": (async_plain, Delivery.PLAIN),
    "plain text": (async_text, Delivery.PLAIN),
    "streamed chat": (async_stream, Delivery.REPLAY_STREAM),
    "raw response": (async_raw, Delivery.PLAIN),
    "streaming response": (async_streaming_response, Delivery.PLAIN),
    "parse": (async_parsed, Delivery.PLAIN),
}


@pytest.mark.parametrize("name", ASYNC_FORMS)
@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
async def test_an_async_hit_equals_the_original(world: World, name: str, compress: bool) -> None:
    form, delivery = ASYNC_FORMS[name]
    world.stub.compress = compress
    if form is async_parsed:
        world.stub.text = lambda body: '{"colour": "blue"}'
    async with world.async_client() as client:
        expected = await form(client)
        call = world.again(delivery)
        world.stub.reset()

        with world.ahead(call) as scope:
            found = await form(client)

    assert found == expected
    assert outcomes(scope) == [Outcome.HIT]
    assert len(world.stub.calls) == 1


def test_a_direct_call_is_observed_with_its_usage(world: World) -> None:
    with world.ahead() as scope:
        reply = world.client().chat.completions.create(**CHAT)

    record = only(scope)
    assert record.outcome is Outcome.DIRECT
    assert record.prompt_tokens == reply.usage.prompt_tokens
    assert record.completion_tokens == reply.usage.completion_tokens
    assert record.ended is not None


def test_the_record_of_a_hit_has_its_usage(world: World) -> None:
    with world.ahead(world.call(**CHAT)) as scope:
        reply = world.client().chat.completions.create(**CHAT)

    assert only(scope).prompt_tokens == reply.usage.prompt_tokens
    assert only(scope).completion_tokens == reply.usage.completion_tokens


@pytest.mark.parametrize("ahead", [True, False], ids=["hit", "direct"])
def test_profiles_learn_from_the_calls_of_the_original(
    world: World, ahead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt: list[EngineCall] = []

    def observe(call: EngineCall) -> None:
        if call.prompt_tokens:
            learnt.append(call)

    monkeypatch.setattr(world.runtime.profiles, "observe", observe)
    with world.ahead(*([world.call(**CHAT)] if ahead else [])):
        reply = world.client().chat.completions.create(**CHAT)

    (call,) = learnt
    assert call.outcome is (Outcome.HIT if ahead else Outcome.DIRECT)
    assert call.completion_tokens == reply.usage.completion_tokens
    assert call.seconds >= world.stub.latency * 0.9


def test_equal_requests_are_each_made_once(world: World) -> None:
    client = world.client()
    call = world.call(**CHAT)
    with world.ahead(call, call) as scope:
        for _ in range(3):
            client.chat.completions.create(**CHAT)

    assert outcomes(scope) == [Outcome.HIT, Outcome.HIT, Outcome.DIRECT]
    assert len(world.stub.calls) == 3


def test_a_call_that_the_original_makes_first_is_not_made_again(world: World) -> None:
    taken: list[Any] = []

    class Taking(Given):
        def outputs(self, work: Work, results: Sequence[object]) -> Values:
            taken.extend(results)
            return {}

    late = Primitive("late", Op.PREFILLING, "late", ENGINE)
    graph = Graph([late])
    makers = {component_op(late): Taking(world.call(**CHAT))}
    plan = Plan(Template(()), graph, graph, ahead=frozenset(graph.primitives), makers=makers)
    with world.ahead() as scope:
        world.client().chat.completions.create(**CHAT)
        scope.expand("", plan, {})

    (reply,) = taken
    assert reply.text() == world.stub.text(world.stub.calls[0].body)
    assert len(world.stub.calls) == 1

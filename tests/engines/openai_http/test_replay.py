"""The original's client gets from a recording what it would have got from the server.

Uses the `openai` package and the core alone; tests/openai3 runs it against openai 3, too.
"""

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from ayo_bridge.engines.openai_http import Delivery
from ayo_bridge.observe.record import Outcome
from ayo_bridge.runahead import entered
from tests.deadline import eventually
from tests.engines.openai_http.harness import MESSAGES, World, only, outcomes

CHAT: dict[str, Any] = {"model": "stub", "messages": MESSAGES, "temperature": 0.1}
TEXT: dict[str, Any] = {"model": "stub", "prompt": "Why is the sky blue?", "max_tokens": 5}
USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}


def library_of(client: Any) -> Any:
    """httpx or httpx2: what this SDK is built on."""
    for cls in type(client._client).__mro__:
        root = cls.__module__.partition(".")[0]
        if root in ("httpx", "httpx2"):
            return sys.modules[root]
    raise AssertionError("no HTTP library")


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


def sent_body(world: World, form: Callable[[openai.OpenAI], Any]) -> dict[str, Any]:
    """The body that the SDK sends for a form; running it has also warmed the SDK up."""
    form(world.client())
    return dict(world.stub.calls[-1].body)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_a_hit_equals_the_original(world: World, name: str, compress: bool) -> None:
    form, delivery = FORMS[name]
    world.stub.compress = compress
    if form is parsed:
        world.stub.text = lambda body: '{"colour": "blue"}'
    body = sent_body(world, form)
    expected = form(world.client())
    world.stub.reset()

    with world.ahead(world.call(delivery, **body)) as scope:
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
        body = dict(world.stub.calls[-1].body)
        world.stub.reset()

        with world.ahead(world.call(delivery, **body)) as scope:
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


def test_the_record_of_a_hit_has_its_usage(world: World) -> None:
    with world.ahead(world.call(**CHAT)) as scope:
        reply = world.client().chat.completions.create(**CHAT)

    assert only(scope).prompt_tokens == reply.usage.prompt_tokens
    assert only(scope).completion_tokens == reply.usage.completion_tokens


@pytest.mark.parametrize("ahead", [True, False], ids=["hit", "direct"])
def test_profiles_learn_from_the_calls_of_the_original(world: World, ahead: bool) -> None:
    learnt: list[Any] = []
    world.runtime.profiles.observe = lambda call: (  # type: ignore[method-assign]
        learnt.append((call.outcome, call.completion_tokens, call.seconds))
        if call.prompt_tokens
        else None
    )
    with world.ahead(*([world.call(**CHAT)] if ahead else [])):
        reply = world.client().chat.completions.create(**CHAT)

    ((outcome, tokens, seconds),) = learnt
    assert outcome is (Outcome.HIT if ahead else Outcome.DIRECT)
    assert tokens == reply.usage.completion_tokens
    assert seconds >= world.stub.latency * 0.9


def test_equal_requests_are_each_made_once(world: World) -> None:
    client = world.client()
    call = world.call(**CHAT)
    with world.ahead(call, call) as scope:
        for _ in range(3):
            client.chat.completions.create(**CHAT)

    assert outcomes(scope) == [Outcome.HIT, Outcome.HIT, Outcome.DIRECT]
    assert len(world.stub.calls) == 3


def test_a_call_that_the_original_makes_first_is_not_made_again(world: World) -> None:
    call = world.call(**CHAT)
    with world.ahead() as scope:
        world.client().chat.completions.create(**CHAT)
        primitive_call = scope._ahead._expect(call, only_primitive(scope))

    assert primitive_call.result(timeout=5).text() == world.stub.text(world.stub.calls[0].body)
    assert len(world.stub.calls) == 1


def only_primitive(scope: Any) -> Any:
    (primitive,) = scope.record.e_graph
    return primitive


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


def test_closing_the_scope_aborts_what_nobody_asked_for(world: World) -> None:
    world.stub.latency = 30
    with world.ahead(world.call(**CHAT)) as scope:
        eventually(lambda: bool(world.stub.calls), "the request")

    assert outcomes(scope) == [Outcome.WASTED]
    eventually(lambda: world.stub.calls[0].aborted, "the abort")


def test_cookies_of_a_replayed_reply_reach_the_client(world: World) -> None:
    world.stub.extra_headers = [("set-cookie", "route=7; Path=/"), ("set-cookie", "b=2; Path=/")]
    client = world.client()
    with world.ahead(world.call(**CHAT)):
        client.chat.completions.create(**CHAT)

    assert dict(client._client.cookies) == {"route": "7", "b": "2"}


def test_a_redirect_is_replayed_and_followed_by_the_client(world: World) -> None:
    world.stub.reply_when(
        lambda request: request.path == "/v1/chat/completions",
        status=307,
        content=b"",
        headers=[("location", "/elsewhere/chat/completions")],
    )
    with world.ahead(world.call(**CHAT)):
        reply = world.client().chat.completions.create(**CHAT)

    assert reply.choices[0].finish_reason == "stop"
    assert [r.path for r in world.stub.calls] == [
        "/v1/chat/completions",
        "/elsewhere/chat/completions",
    ]


def test_hooks_of_a_custom_client_see_each_request_once(world: World) -> None:
    library = library_of(world.client())
    seen: list[str] = []
    hooks = {
        "request": [lambda request: seen.append("request")],
        "response": [lambda response: seen.append("response")],
    }
    with library.Client(event_hooks=hooks) as http_client, world.ahead() as scope:
        world.client(http_client=http_client).chat.completions.create(**CHAT)

    assert seen == ["request", "response"]
    assert outcomes(scope) == [Outcome.DIRECT]


def test_a_custom_transport_passes_through_untouched(world: World) -> None:
    library = library_of(world.client())
    seen: list[str] = []

    class Custom(library.HTTPTransport):
        def handle_request(self, request: Any) -> Any:
            seen.append(str(request.url))
            return super().handle_request(request)

    with (
        library.Client(transport=Custom()) as http_client,
        world.ahead(world.call(**CHAT)) as scope,
    ):
        world.client(http_client=http_client).chat.completions.create(**CHAT)

    assert len(seen) == 1
    assert outcomes(scope) == [Outcome.WASTED]


def test_without_a_scope_nothing_is_looked_at(world: World) -> None:
    scope = world.scope(world.call(**CHAT))
    world.client().chat.completions.create(**CHAT)
    scope.close()
    with entered(scope):
        world.client().chat.completions.create(**CHAT)

    assert outcomes(scope) == [Outcome.WASTED]


def test_other_authorisation_does_not_match(world: World) -> None:
    with world.ahead(world.call(**CHAT)) as scope:
        world.client().with_options(api_key="sk-other").chat.completions.create(**CHAT)

    assert outcomes(scope) == [Outcome.WASTED, Outcome.DIRECT]


def test_other_endpoints_of_the_server_pass_through(world: World) -> None:
    with world.ahead() as scope:
        assert [model.id for model in world.client().models.list()] == ["stub"]

    assert scope.record.calls == []


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

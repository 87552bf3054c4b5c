"""Streams that the original reads are followed, and made ahead while they are written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import nullcontext

import openai
import pytest
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.openai_like import OpenAILike
from pydantic import SecretStr

from ayo_bridge import Runtime, accelerate
from ayo_bridge.bindings.completions import answer_of
from ayo_bridge.engines.openai_http.reply import Body, Reply
from ayo_bridge.seam import AskedTool, Outcome
from tests.adapters.python.programs import async_client_of, client_of, learned, outcomes, question
from tests.deadline import eventually
from tests.learn.boundaries.arms import equal_arms, sent, taught
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _read(client: openai.OpenAI, prompt: str) -> str:
    stream = client.chat.completions.create(
        model="stub",
        messages=[{"role": "user", "content": prompt}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return "".join(event.choices[0].delta.content or "" for event in stream if event.choices)


def _by_langchain(stub: StubOpenAI) -> Callable[[str], str]:
    model = ChatOpenAI(
        model="stub", base_url=stub.base_url, api_key=SecretStr("key"), max_retries=0
    )
    return lambda prompt: "".join(str(chunk.content) for chunk in model.stream(prompt))


def _by_llama_index(stub: StubOpenAI) -> Callable[[str], str]:
    model = OpenAILike(
        model="stub", api_base=stub.base_url, api_key="key", is_chat_model=True, max_retries=0
    )

    def read(prompt: str) -> str:
        chat = model.stream_chat([ChatMessage(content=prompt)])
        return "".join(piece.delta or "" for piece in chat)

    return read


@pytest.mark.parametrize("reading", [_by_langchain, _by_llama_index])
def test_streams_that_the_original_reads_are_learned_and_made_ahead_to_the_byte(
    stub: StubOpenAI, runtime: Runtime, reading: Callable[[StubOpenAI], Callable[[str], str]]
) -> None:
    read = reading(stub)

    def answer(query: str) -> str:
        causes = read(f"List the causes: {query}")
        effects = read(f"List the effects: {query}")
        return read(f"Compare {causes} with {effects}")

    fast = taught(answer, runtime)
    equal_arms(fast, answer, stub, 9)
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 2}


async def test_async_streams_are_made_ahead(stub: StubOpenAI, runtime: Runtime) -> None:
    client = async_client_of(stub)

    async def read(prompt: str) -> str:
        stream = await client.chat.completions.create(
            model="stub", messages=[{"role": "user", "content": prompt}], stream=True
        )
        return "".join([event.choices[0].delta.content or "" async for event in stream])

    async def answer(query: str) -> str:
        causes = await read(f"List the causes: {query}")
        effects = await read(f"List the effects: {query}")
        return await read(f"Compare {causes} with {effects}")

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        assert await fast(question(number)) == await answer(question(number))
    await asyncio.to_thread(learned, fast)
    sent(stub)
    expected = await answer(question(9))
    made = sent(stub)
    assert await fast(question(9)) == expected
    assert sent(stub) == made
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 2}


def test_the_events_of_a_stream_made_ahead_come_while_it_is_written(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)
    unfinished: list[bool] = []

    def answer(query: str) -> str:
        causes = _read(client, f"List the causes: {query}")
        stream = client.chat.completions.create(
            model="stub",
            messages=[{"role": "user", "content": f"List the effects: {query}"}],
            stream=True,
        )
        texts = []
        for event in stream:
            texts.append(event.choices[0].delta.content or "")
            unfinished.append(stub.in_flight > 0)
        return causes + "".join(texts)

    fast = taught(answer, runtime)
    stub.reply_when("List the effects", latency=0.05)
    stub.token_interval = 0.01
    unfinished.clear()
    assert fast(question(9)) == answer(question(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}
    assert unfinished[0]


def test_a_stream_that_the_original_leaves_teaches_nothing_and_is_left_ahead_too(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)

    def first_word(prompt: str) -> str:
        stream = client.chat.completions.create(
            model="stub", messages=[{"role": "user", "content": prompt}], stream=True
        )
        with stream:
            for event in stream:
                if word := event.choices[0].delta.content:
                    return word
        return ""

    def answer(query: str) -> str:
        return first_word(f"List the causes: {query}") + first_word(f"List the effects: {query}")

    fast = taught(answer, runtime)
    equal_arms(fast, answer, stub, 9)
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}


@pytest.mark.parametrize("view", ["with_raw_response", "with_streaming_response"])
def test_replies_that_the_sdk_hands_over_unparsed_are_made_ahead_to_the_byte(
    stub: StubOpenAI, runtime: Runtime, view: str
) -> None:
    client = client_of(stub)
    resource = getattr(client.chat.completions, view)

    def read(prompt: str) -> str:
        message = {"role": "user", "content": prompt}
        made = resource.create(model="stub", messages=[message])
        with made if view == "with_streaming_response" else nullcontext(made) as reply:
            return str(reply.parse().choices[0].message.content)

    def answer(query: str) -> str:
        return read(f"List the causes: {query}") + read(f"List the effects: {query}")

    fast = taught(answer, runtime)
    equal_arms(fast, answer, stub, 9)
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}


def test_a_stream_that_breaks_off_ahead_is_made_by_the_original(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)

    def answer(query: str) -> str:
        causes = _read(client, f"List the causes: {query}")
        return causes + _read(client, f"List the effects: {query}")

    fast = taught(answer, runtime)
    expected = answer(question(9))
    stub.reply_when("List the causes", latency=0.1)
    stub.reply_when("List the effects", disconnect=2, times=1)
    assert fast(question(9)) == expected
    assert outcomes(fast) == {Outcome.DROPPED: 1, Outcome.DIRECT: 2}


def test_a_stream_ahead_of_a_call_that_raises_is_cancelled_at_the_server(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)
    fails = False

    def answer(query: str) -> str:
        causes = _read(client, f"List the causes: {query}")
        if fails:
            raise LookupError(query)
        return causes + _read(client, f"List the effects: {query}")

    fast = taught(answer, runtime)
    fails, stub.token_interval = True, 0.02
    stub.reply_when("List the effects", text="word " * 200)
    with pytest.raises(LookupError):
        fast(question(9))
    assert outcomes(fast) == {Outcome.CANCELLED: 1, Outcome.DIRECT: 1}
    (effects,) = (call for call in stub.calls if f"List the effects: {question(9)}" in call.prompt)
    eventually(lambda: effects.aborted, "the end of the stream", 10)


def test_a_stream_that_comes_too_late_ends_in_the_clients_own_error(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub).with_options(timeout=0.25)

    def answer(query: str) -> str:
        causes = _read(client, f"List the causes: {query}")
        return causes + _read(client, f"List the effects: {query}")

    fast = taught(answer, runtime)
    stub.reply_when("List the effects", latency=2.0)
    with pytest.raises(openai.APITimeoutError):
        answer(question(9))
    with pytest.raises(openai.APITimeoutError):
        fast(question(9))


def _streamed(*events: object, done: bool = True) -> Reply:
    lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    body = Body([*lines, b"data: [DONE]\n\n"] if done else lines, ended=True)
    return Reply(200, ((b"content-type", b"text/event-stream; charset=utf-8"),), body)


def _delta(**delta: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def test_tool_calls_of_a_stream_are_put_together() -> None:
    pieces = [
        {"index": 0, "id": "call-1", "function": {"name": "search", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"query": '}},
        {"index": 1, "id": "call-2", "function": {"name": "now", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": '"tides"}'}},
    ]
    answer = answer_of(_streamed(*(_delta(tool_calls=[piece]) for piece in pieces)))
    assert answer.tools == (
        AskedTool("call-1", "search", '{"query": "tides"}'),
        AskedTool("call-2", "now", "{}"),
    )


def test_a_stream_that_has_broken_off_says_nothing() -> None:
    with pytest.raises(ValueError, match="no end"):
        answer_of(_streamed(_delta(content="half of"), done=False))
    with pytest.raises(ValueError, match="unknown form"):
        answer_of(_streamed({"error": {"message": "overloaded"}}))

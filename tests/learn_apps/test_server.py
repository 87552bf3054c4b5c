"""The server in its own process: plain, streamed, tool calls, and what it counts."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from benchmarks.learned.server import ServerProcess

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "convert",
        "parameters": {"type": "object", "properties": {"amount": {"type": "integer"}}},
    },
}


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with ServerProcess(latency=0.0) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[OpenAI]:
    server.taken()
    with OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
        yield client


def asked(client: OpenAI, prompt: str, **more: Any) -> Any:
    messages: Any = [{"role": "user", "content": prompt}]
    return client.chat.completions.create(model="stub", messages=messages, **more)


def test_a_streamed_answer_is_the_plain_one(client: OpenAI) -> None:
    plain = asked(client, "What is a ferry?").choices[0].message.content
    parts = [
        chunk.choices[0].delta.content for chunk in asked(client, "What is a ferry?", stream=True)
    ]
    assert "".join(part or "" for part in parts) == plain


def test_a_streamed_tool_call_is_the_plain_one(client: OpenAI) -> None:
    message = asked(client, "How much is it?", tools=[TOOL]).choices[0].message
    [used] = message.tool_calls
    assert message.content is None
    chunks = list(asked(client, "How much is it?", tools=[TOOL], stream=True))
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    [streamed] = calls
    assert (streamed.id, streamed.function.name, streamed.function.arguments) == (
        used.id,
        "convert",
        used.function.arguments,
    )
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_requests_are_counted_by_what_they_ask_not_by_how_it_is_delivered(
    server: ServerProcess, client: OpenAI
) -> None:
    asked(client, "What is a ferry?")
    list(asked(client, "What is a ferry?", stream=True))
    asked(client, "What is a quarry?")
    seen = server.taken()
    assert sorted(seen.asked.values()) == [1, 2]
    assert (seen.count, seen.marked) == (3, 0)
    assert server.taken().count == 0


def test_warms_and_probes_are_counted_apart(server: ServerProcess, client: OpenAI) -> None:
    asked(client, "What is a ferry?", extra_headers={"x-ayo-bridge": "warm"})
    seen = server.taken()
    assert (seen.count, seen.marked) == (0, 1)

"""The emulated server over HTTP, by the SDK that the frameworks use."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest

from ayo_bridge.serving.emulated import EmulatedServer, Rule
from ayo_bridge.simulate import LLMCosts
from tests.deadline import eventually

COSTS = LLMCosts(0.004, 0.00001, 0.0, 0.004, 0.0, kv_tokens=8192)
"""A step takes 4 ms: long beside the way of a request, short beside a test."""

TWO_AT_ONCE = 2


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatedServer]:
    rules = (Rule("as JSON", text='{"answer": 42}'), Rule("briefly", tokens=3))
    with EmulatedServer(
        COSTS, model="m", max_num_seqs=TWO_AT_ONCE, output_tokens=(20, 40), rules=rules
    ) as server:
        yield server


@pytest.fixture
async def client(server: EmulatedServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        yield client


def metric(server: EmulatedServer, name: str, *labels: str) -> float:
    with urllib.request.urlopen(f"{server.root_url}/metrics") as reply:
        text = reply.read().decode()
    lines = [line for line in text.splitlines() if line.startswith(f"{name}{{")]
    found = [line for line in lines if all(label in line for label in labels)]
    assert len(found) == 1, (name, labels, found)
    return float(found[0].rpartition(" ")[2])


async def ask(client: openai.AsyncOpenAI, text: str, **options: object) -> openai.types.Completion:
    made = await client.completions.create(model="m", prompt=text, **options)  # type: ignore[call-overload]
    assert isinstance(made, openai.types.Completion)
    return made


async def test_a_chat_is_the_same_whole_and_streamed(client: openai.AsyncOpenAI) -> None:
    messages: Any = [{"role": "user", "content": "What is a bridge?"}]
    whole = await client.chat.completions.create(model="m", messages=messages)
    events = await client.chat.completions.create(
        model="m", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    chunks = [event async for event in events]
    text = whole.choices[0].message.content
    assert whole.usage is not None
    assert text is not None
    assert 20 <= whole.usage.completion_tokens <= 40
    assert whole.choices[0].finish_reason == "stop"
    assert whole.system_fingerprint == "emulated:costs@1x"
    *tokens, last = chunks
    assert "".join(chunk.choices[0].delta.content or "" for chunk in tokens) == text
    assert len(tokens) == whole.usage.completion_tokens + 1  # The role comes first.
    assert [c.choices[0].finish_reason for c in tokens][-2:] == [None, "stop"]
    assert last.usage is not None
    assert last.usage.completion_tokens == whole.usage.completion_tokens
    assert last.usage.prompt_tokens == whole.usage.prompt_tokens


async def test_lengths_are_what_the_request_says(client: openai.AsyncOpenAI) -> None:
    cut = await ask(client, "a question", max_tokens=7)
    assert (cut.choices[0].finish_reason, cut.usage and cut.usage.completion_tokens) == (
        "length",
        7,
    )
    long = await ask(client, "a question", max_tokens=60, extra_body={"ignore_eos": True})
    assert long.usage is not None
    assert long.usage.completion_tokens == 60
    assert long.choices[0].text.startswith(cut.choices[0].text)
    brief = await ask(client, "answer briefly", max_tokens=60)
    assert brief.usage is not None
    assert brief.usage.completion_tokens == 3
    several = await ask(client, "a question", max_tokens=7, n=2)
    assert [choice.index for choice in several.choices] == [0, 1]
    assert several.choices[0].text == cut.choices[0].text != several.choices[1].text


async def test_a_prefix_and_an_answer_are_found_in_the_cache(client: openai.AsyncOpenAI) -> None:
    async def cached(text: str) -> tuple[int, str]:
        made = await ask(client, text, max_tokens=33, extra_body={"ignore_eos": True})
        assert made.usage is not None
        assert made.usage.prompt_tokens_details is not None
        found = made.usage.prompt_tokens_details.cached_tokens
        assert found is not None
        return found, made.choices[0].text

    document = "one of many words " * 40  # 160 tokens: ten blocks.
    found, said = await cached(document + "First question:\n")
    assert found == 0
    assert (await cached(document + "Another question:\n"))[0] == 160
    # 165 and 33 tokens, of which the last one decoded was never computed: twelve full blocks.
    assert (await cached(document + "First question:\n" + said + "\nAnd then?"))[0] == 192


async def test_a_lower_priority_number_goes_first(
    client: openai.AsyncOpenAI, server: EmulatedServer
) -> None:
    ended: list[str] = []

    async def one(name: str, priority: int) -> None:
        await ask(client, name, max_tokens=2, extra_body={"priority": priority})
        ended.append(name)

    running = [
        await client.completions.create(
            model="m", prompt=f"busy {i}", max_tokens=250, stream=True,
            extra_body={"ignore_eos": True},
        )
        for i in range(TWO_AT_ONCE)
    ]  # fmt: skip
    for stream in running:
        await anext(stream)
    tasks = []
    for count, (name, priority) in enumerate([("late", 5), ("middle", 1), ("first", -1)], 1):
        tasks.append(asyncio.create_task(one(name, priority)))
        while metric(server, "vllm:num_requests_waiting") < count:
            await asyncio.sleep(0.005)
    await running[0].close()  # One place gets free.
    await asyncio.gather(*tasks)
    await running[1].close()
    assert ended == ["first", "middle", "late"]


async def test_a_client_that_goes_away_ends_its_sequence(
    client: openai.AsyncOpenAI, server: EmulatedServer
) -> None:
    aborted = metric(server, "vllm:request_success_total", 'finished_reason="abort"')
    stream = await client.completions.create(
        model="m", prompt="endless", max_tokens=5000, stream=True, extra_body={"ignore_eos": True}
    )
    await anext(stream)
    assert metric(server, "vllm:num_requests_running") == 1
    assert metric(server, "vllm:kv_cache_usage_perc") > 0
    await stream.close()
    eventually(lambda: metric(server, "vllm:num_requests_running") == 0, "the end of a sequence")
    assert metric(server, "vllm:request_success_total", 'finished_reason="abort"') == aborted + 1
    assert metric(server, "vllm:kv_cache_usage_perc") == 0


async def test_refusals_are_vllms(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="The model `other` does not exist"):
        await client.completions.create(model="other", prompt="a")
    with pytest.raises(openai.BadRequestError, match="maximum context length is 8192 tokens"):
        await ask(client, "a word " * 5000)
    with pytest.raises(openai.BadRequestError, match="cannot be greater than max_model_len=8192"):
        await ask(client, "a", max_tokens=8193)
    with pytest.raises(openai.BadRequestError, match="max_tokens must be at least 1, got 0"):
        await ask(client, "a", max_tokens=0)
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": {}}}
    message: Any = {"role": "user", "content": "a"}
    with pytest.raises(openai.BadRequestError, match="tool choice requires"):
        await client.chat.completions.create(model="m", messages=[message], tools=[tool])
    with pytest.raises(openai.NotFoundError):
        await client.embeddings.create(model="m", input="a")


async def test_structured_output_is_what_a_rule_says_or_refused(
    client: openai.AsyncOpenAI,
) -> None:
    async def structured(text: str) -> str | None:
        made = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": text}],
            response_format={"type": "json_object"},
        )
        return made.choices[0].message.content

    assert await structured("Answer as JSON") == '{"answer": 42}'
    with pytest.raises(openai.BadRequestError, match="give its texts with --answers"):
        await structured("Answer as you like")


def test_what_is_no_request_is_refused(server: EmulatedServer) -> None:
    def status(raw: bytes, path: str = "/v1/completions", method: str = "POST") -> tuple[int, str]:
        request = urllib.request.Request(server.root_url + path, raw or None, method=method)
        try:
            with urllib.request.urlopen(request) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    assert status(b"{bad")[0] == 400
    assert status(b"[]")[0] == 400
    assert status(b'{"model": "m"}') == (
        400,
        "{\"error\":{\"message\":\"1 validation error:\\n  {'loc': 'body.prompt', 'msg': "
        '\'Field required\'}","type":"Bad Request","param":"body.prompt","code":400}}',
    )
    assert status(b'{"prompt": [[]]}')[0] == status(b'{"prompt": "a", "n": "two"}')[0] == 400
    assert status(b'{"prompt": "a", "max_tokens": "2"}')[0] == 200
    assert status(b"[" * 100_000)[0] == 400
    assert status(b'{"prompt": "a", "n": 100000}')[0] == 400
    assert status(b"", "/v1/completions", "GET")[0] == 405
    assert status(b"", "/nothing", "GET") == (404, '{"detail":"Not Found"}')
    assert status(b"", "/health", "GET") == (200, "")
    assert status(b"", "/health", "HEAD") == (405, "")
    assert status(b"", "//[health", "GET")[0] == 500
    assert status(b"", "/health", "GET") == (200, "")


def test_it_says_that_it_is_emulated(server: EmulatedServer) -> None:
    with urllib.request.urlopen(f"{server.url}/models") as reply:
        assert reply.headers["server"] == "ayo-bridge emulated"
        assert re.search(r'"owned_by":"ayo-bridge emulated"', reply.read().decode())
    assert metric(server, "ayo_emulated_info", 'profile="costs"', 'speed="1"') == 1

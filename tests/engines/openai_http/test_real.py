"""Against a real vLLM: what the stub only imitates."""

import itertools
import json
import re
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openai
import pytest

from ayo_bridge.bindings.openai_http import register_endpoint, unregister_endpoint
from ayo_bridge.bindings.openai_sdk import Form, build
from ayo_bridge.engines.openai_http import (
    Delivery,
    LLMRequest,
    OpenAIServer,
    Reply,
    make_call,
    make_warm,
    prove,
)
from ayo_bridge.engines.openai_http.sse import EventParser
from ayo_bridge.runtime import Runtime
from ayo_bridge.serving.vllm_server import VLLMServer
from tests.bindings.openai_http.harness import ENGINE
from tests.deadline import eventually
from tests.stub_openai import StubOpenAI

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Tell me about the sea."}]}
TEXT: dict[str, Any] = {"prompt": "Tell me about the sea."}
JSON = ((b"content-type", b"application/json"),)
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 24}


class Real:
    def __init__(self, vllm: VLLMServer) -> None:
        self.vllm = vllm
        self.runtime = Runtime()
        self.server = OpenAIServer(ENGINE, vllm.url)
        self.runtime.register(self.server)

    def request(self, delivery: Delivery = Delivery.PLAIN, **body: Any) -> LLMRequest:
        path = "/chat/completions" if "messages" in body else "/completions"
        body = {"model": self.vllm.model_name, **body}
        return LLMRequest(self.vllm.url + path, JSON, body, read=120.0, delivery=delivery)

    def serve(self, call: Any) -> Reply:
        reply = self.runtime.submit(self.server.serve(call)).result(timeout=120)
        assert isinstance(reply, Reply)
        return reply

    def ask(self, delivery: Delivery = Delivery.PLAIN, **body: Any) -> Reply:
        return self.serve(make_call(ENGINE, self.request(delivery, **body)))

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(self.vllm.root_url + "/metrics") as reply:
            text = reply.read().decode()
        found = re.findall(rf"^vllm:{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found))


@pytest.fixture
def real(vllm_server: VLLMServer) -> Iterator[Real]:
    real = Real(vllm_server)
    yield real
    real.runtime.close()


def same(reply: Any) -> Any:
    """A reply without what differs between any two, and with floats rounded."""
    if isinstance(reply, dict):
        return {
            key: same(value)
            for key, value in reply.items()
            if key not in ("id", "created", "prompt_tokens_details", "metrics")
        }
    if isinstance(reply, list):
        return [same(value) for value in reply]
    return round(reply, 3) if isinstance(reply, float) else reply


@pytest.mark.parametrize(
    "body",
    [
        CHAT,
        {**CHAT, "logprobs": True, "top_logprobs": 2},
        TEXT,
        {**TEXT, "logprobs": 2},
        {**TEXT, "prompt": [TEXT["prompt"]], "stop": ["a"]},
    ],
    ids=["chat", "chat logprobs", "text", "text logprobs", "stop"],
)
def test_rebuilding_is_proven_and_holds(real: Real, body: dict[str, Any]) -> None:
    body = {**body, **GREEDY}
    proof = real.runtime.submit(prove(real.server, real.request(**body))).result(timeout=120)
    assert proof.proven, proof.reason

    plain = real.ask(**body)
    rebuilt = real.ask(Delivery.REBUILD, **body)

    assert plain.ok
    assert same(rebuilt.json()) == same(plain.json())
    assert rebuilt.json().keys() == plain.json().keys()
    assert [name for name, _ in rebuilt.headers] == [name for name, _ in plain.headers]
    assert plain.text()


def shape(value: Any) -> Any:
    """Keys and kinds of a reply; lists by their first element."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def events(reply: Reply) -> list[Any]:
    found = EventParser().feed(reply.decoded())
    assert found.pop() == "[DONE]"
    return [json.loads(event) for event in found]


@pytest.mark.parametrize(
    "body",
    [CHAT, {**CHAT, "logprobs": True, "top_logprobs": 1}, TEXT, {**TEXT, "logprobs": 1}],
    ids=["chat", "chat logprobs", "text", "text logprobs"],
)
def test_the_stub_has_the_shape_of_the_real_server(
    real: Real, stub_openai: StubOpenAI, body: dict[str, Any]
) -> None:
    stub = OpenAIServer("stub", stub_openai.base_url)
    body = {**body, "temperature": 0, "max_tokens": 4}
    streamed = {**body, "stream": True, "stream_options": {"include_usage": True}}

    def imitated(body: dict[str, Any]) -> Reply:
        request = real.request(**body)
        url = request.url.replace(real.vllm.url, stub_openai.base_url)
        call = make_call("stub", LLMRequest(url, JSON, request.body, 10.0))
        reply = real.runtime.submit(stub.serve(call)).result(timeout=10)
        assert isinstance(reply, Reply)
        return reply

    plain, plain_stub = real.ask(**body).json(), imitated(body).json()
    # Counted where the server was told to; token texts are keys.
    plain["usage"]["prompt_tokens_details"] = None
    for reply in (plain, plain_stub):
        logprobs = reply["choices"][0]["logprobs"] or {}
        logprobs.pop("top_logprobs", None)
    assert shape(plain_stub) == shape(plain)

    real_events, stub_events = events(real.ask(**streamed)), events(imitated(streamed))
    for chunks in (real_events, stub_events):
        for chunk in chunks:
            for choice in chunk["choices"]:
                (choice.get("logprobs") or {}).pop("top_logprobs", None)
            if chunk.get("usage"):
                chunk["usage"].pop("prompt_tokens_details", None)
    picked = (0, 1, -2, -1)
    assert [shape(stub_events[i]) for i in picked] == [shape(real_events[i]) for i in picked]
    real.runtime.submit(stub.aclose()).result(timeout=10)


def cached_tokens(reply: Reply) -> int:
    details = reply.json()["usage"]["prompt_tokens_details"]
    return (details or {}).get("cached_tokens") or 0


_numbers = itertools.count()


@pytest.mark.parametrize("chat", [True, False], ids=["chat", "text"])
def test_a_warm_prefix_is_found_in_the_cache(real: Real, chat: bool) -> None:
    def body(text: str) -> dict[str, Any]:
        if chat:
            return {"messages": [{"role": "user", "content": text}]}
        return {"prompt": text}

    unique = f"{time.time_ns()} {next(_numbers)} "
    prefix = unique + "the quick brown fox jumps over the lazy dog. " * 20
    warm = real.serve(
        make_warm(ENGINE, real.request(**body(prefix)), priority=real.runtime.priority)
    )
    assert warm.ok, warm.body.whole()
    assert cached_tokens(warm) < 64
    prompt_tokens = warm.usage()
    assert prompt_tokens is not None

    full = real.ask(**body(prefix + "What does the fox do?"), max_tokens=4)
    assert full.ok
    assert cached_tokens(full) >= prompt_tokens.prompt_tokens // 2


def test_cancelling_aborts_the_running_request(real: Real) -> None:
    call = make_call(ENGINE, real.request(**CHAT, max_tokens=1500, ignore_eos=True))
    future = real.runtime.submit(real.server.serve(call))
    eventually(lambda: real.metric("num_requests_running") == 1, "the start")
    future.cancel()
    eventually(lambda: real.metric("num_requests_running") == 0, "the abort")


def test_the_sdk_gets_a_recording_as_if_from_the_server(real: Real, bound: None) -> None:
    from tests.bindings.openai_http.harness import World

    register_endpoint(real.vllm.url, ENGINE)
    world = World(None, real.runtime, real.server)  # type: ignore[arg-type]
    body = {"model": real.vllm.model_name, **CHAT, **GREEDY}
    streamed = {**body, "stream": True, "stream_options": {"include_usage": True}}
    with openai.OpenAI(base_url=real.vllm.url, api_key="x") as client:
        form = Form("/chat/completions")
        replayed = replace(build(client, form, streamed), delivery=Delivery.REPLAY_STREAM)
        calls = [
            make_call(ENGINE, build(client, form, body)),
            make_call(ENGINE, replayed),
        ]
        expected = same(client.chat.completions.create(**body).model_dump())
        with world.ahead(*calls) as scope:
            plain = same(client.chat.completions.create(**body).model_dump())
            stream = client.chat.completions.create(**streamed)
            text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    unregister_endpoint(real.vllm.url)

    assert plain == expected
    assert text == expected["choices"][0]["message"]["content"]
    assert [call.outcome for call in scope.record.calls] == ["hit", "hit"]
    assert all(call.completion_tokens > 0 for call in scope.record.calls)

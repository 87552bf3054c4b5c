"""What the runtime does ahead works on the emulated server: rebuilt replies, warm prefixes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ayo_bridge.engines.openai_http import (
    Delivery,
    LLMRequest,
    OpenAIServer,
    Reply,
    make_call,
    make_warm,
    prove,
)
from ayo_bridge.runtime import Runtime
from ayo_bridge.serving.emulated import EmulatedServer
from ayo_bridge.simulate import LLMCosts

COSTS = LLMCosts(0.002, 0.00001, 0.0, 0.001, 0.0, kv_tokens=8192)
JSON = ((b"content-type", b"application/json"),)
PREFIX = "the quick brown fox jumps over the lazy dog. " * 20


class Running:
    def __init__(self, url: str) -> None:
        self.url = url
        self.runtime = Runtime()
        self.server = OpenAIServer("emulated", url)
        self.runtime.register(self.server)

    def request(self, delivery: Delivery = Delivery.PLAIN, **body: Any) -> LLMRequest:
        path = "/chat/completions" if "messages" in body else "/completions"
        body = {"model": "m", **body}
        return LLMRequest(self.url + path, JSON, body, read=60.0, delivery=delivery)

    def serve(self, call: Any) -> Any:
        reply = self.runtime.submit(self.server.serve(call)).result(timeout=60)
        assert isinstance(reply, Reply)
        assert reply.ok
        return reply.json()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with EmulatedServer(COSTS, model="m") as server:
        running = Running(server.url)
        yield running
        running.runtime.close()


def body_of(chat: bool, text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]} if chat else {"prompt": text}


@pytest.mark.parametrize("chat", [True, False], ids=["chat", "text"])
def test_a_plain_reply_is_rebuilt_from_a_stream(running: Running, chat: bool) -> None:
    body = {**body_of(chat, "Tell me of bridges."), "max_tokens": 12}
    proof = running.runtime.submit(prove(running.server, running.request(**body))).result(60)
    assert proof.proven, proof.reason
    assert running.server.caches_prefixes, "its replies show it, as those of vLLM do"
    plain, rebuilt = (
        running.serve(make_call("emulated", running.request(delivery, **body)))
        for delivery in (Delivery.PLAIN, Delivery.REBUILD)
    )
    for reply in (plain, rebuilt):
        for changing in ("id", "created"):
            del reply[changing]
        del reply["usage"]["prompt_tokens_details"]
    assert rebuilt == plain


@pytest.mark.parametrize("chat", [True, False], ids=["chat", "text"])
def test_a_warm_prefix_is_found_again(running: Running, chat: bool) -> None:
    asked = f"{chat} {PREFIX}"
    warm = running.serve(make_warm("emulated", running.request(**body_of(chat, asked))))
    full = running.serve(
        make_call("emulated", running.request(**body_of(chat, f"{asked}And then?"), max_tokens=2))
    )
    found = full["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert found >= warm["usage"]["prompt_tokens"] - 20

"""Requests of requests, urllib3 and aiohttp to replicas: as those of httpx."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import aiohttp
import pytest
import requests
import urllib3

from ayo_bridge import LLM, Runtime
from ayo_bridge.bindings.openai_http import register_endpoint, unregister_endpoint
from ayo_bridge.bindings.plain_http import BINDINGS
from ayo_bridge.engines.openai_http import OpenAIServer
from ayo_bridge.seam import entered
from tests.bindings.openai_http.harness import CHAT, ENGINE
from tests.scopes import open_scope
from tests.stub_openai import StubOpenAI

Seen = tuple[int, bytes, str, str]
"""Status, body, the address that the response names, and the host its request names."""
Ask = Callable[[str, Mapping[str, Any]], Seen]


def by_requests(url: str, body: Mapping[str, Any]) -> Seen:
    reply = requests.post(url, json=body, timeout=5)
    return reply.status_code, reply.content, reply.url, str(reply.request.url)


def by_session(url: str, body: Mapping[str, Any]) -> Seen:
    with requests.Session() as session, session.post(url, json=body, stream=True) as reply:
        content = b"".join(reply.iter_content(7))
        adapter: Any = session.get_adapter(url)
        (pool,) = adapter.poolmanager.pools._container.values()
        assert pool.pool.qsize() == pool.pool.maxsize, "its connection was not given back"
        return reply.status_code, content, reply.url, str(reply.request.url)


def by_urllib3(url: str, body: Mapping[str, Any]) -> Seen:
    with urllib3.PoolManager() as pools:
        reply = pools.request("POST", url, json=body, retries=False)
        whole = url.rpartition("/v1")[0] + str(reply.geturl() or "/v1" + url.partition("/v1")[2])
        return reply.status, reply.data, whole, whole


def by_aiohttp(url: str, body: Mapping[str, Any]) -> Seen:
    async def asked() -> Seen:
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as reply:
            info = reply.request_info
            assert info.headers["Host"] in url
            return reply.status, await reply.read(), str(reply.url), str(info.url)

    return asyncio.run(asked())


ASKS: Mapping[str, Ask] = {
    "requests": by_requests,
    "session": by_session,
    "urllib3": by_urllib3,
    "aiohttp": by_aiohttp,
}


class Pair:
    """Two replicas, the first of which has the application's address."""

    def __init__(self, stack: ExitStack, routing: str = "round_robin", **more: Any) -> None:
        self.own, self.other = (stack.enter_context(StubOpenAI(latency=0.0)) for _ in range(2))
        urls = [self.own.base_url, self.other.base_url][: 1 if routing == "external" else 2]
        self.runtime = Runtime(engines=[LLM("stub", urls, routing, **more)])
        stack.callback(self.runtime.close)
        self.runtime.register(OpenAIServer(ENGINE, urls[0]))
        register_endpoint(urls[0], ENGINE)
        stack.callback(unregister_endpoint, urls[0])
        for binding in BINDINGS:
            binding.install()
            stack.callback(binding.uninstall)

    @property
    def url(self) -> str:
        return f"{self.own.base_url}/chat/completions"

    @property
    def counts(self) -> tuple[int, int]:
        return len(self.own.calls), len(self.other.calls)

    def ask(self, ask: Ask, **more: Any) -> Seen:
        with entered(open_scope(self.runtime)):
            return ask(self.url, {**CHAT, **more})


@pytest.fixture
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stack)


def leave(stub: StubOpenAI) -> None:
    asyncio.run_coroutine_threadsafe(_gone(stub), stub.loop).result()


async def _gone(stub: StubOpenAI) -> None:
    stub._restart(600.0)


@pytest.mark.parametrize("library", ASKS)
def test_they_go_to_all_and_their_caller_sees_its_own_address(pair: Pair, library: str) -> None:
    seen = [pair.ask(ASKS[library]) for _ in range(4)]
    assert pair.counts == (2, 2)
    assert {(status, url, info) for status, _, url, info in seen} == {(200, pair.url, pair.url)}
    one, two = pair.own.calls[0], pair.other.calls[0]
    assert two.headers["host"] == pair.other.root_url.removeprefix("http://")
    assert two.raw == one.raw
    assert [name for name, _ in two.pairs] == [name for name, _ in one.pairs]
    assert {**two.headers, "host": ""} == {**one.headers, "host": ""}


@pytest.mark.parametrize("library", ASKS)
@pytest.mark.parametrize("why", ["gone", "hangs up", "drains", "elsewhere", "another key"])
def test_one_that_takes_nothing_costs_no_answer(pair: Pair, library: str, why: str) -> None:
    pair.ask(ASKS[library])  # The next one goes to the other replica.
    if why == "gone":
        leave(pair.other)
    elif why == "hangs up":
        pair.other.reply_when("sky", silent=True)
    else:
        status = {"drains": 503, "elsewhere": 307, "another key": 401}[why]
        there = [("Location", f"{pair.other.base_url}/elsewhere")]
        pair.other.reply_when("sky", status=status, headers=there, content=b"x" * 100)
    status, _, url, _ = pair.ask(ASKS[library])
    assert (status, url) == (200, pair.url)
    assert len(pair.own.calls) == 2
    assert pair.runtime.replicated.all[0].requests() == (0, 0)


@pytest.mark.parametrize("library", ASKS)
def test_where_all_are_gone_the_error_names_its_own_address(pair: Pair, library: str) -> None:
    pair.ask(ASKS[library])
    leave(pair.own)
    leave(pair.other)
    with pytest.raises(Exception, match=pair.own.root_url.rpartition(":")[2]) as found:
        pair.ask(ASKS[library])
    assert pair.other.root_url.rpartition(":")[2] not in str(found.value)


@pytest.mark.parametrize("library", ["requests", "aiohttp"])
def test_what_cannot_be_sent_elsewhere_says_why(
    pair: Pair, library: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    host = pair.own.root_url.removeprefix("http://")
    caplog.set_level(logging.INFO, "ayo_bridge")

    def by_proxy(url: str, body: Mapping[str, Any]) -> Seen:
        proxy = f"http://{host}"
        if library == "requests":
            reply = requests.post(url, json=body, proxies={"http": proxy}, timeout=5)
            return reply.status_code, reply.content, reply.url, ""

        async def asked() -> Seen:
            async with aiohttp.ClientSession() as s, s.post(url, json=body, proxy=proxy) as reply:
                return reply.status, await reply.read(), str(reply.url), ""

        return asyncio.run(asked())

    for _ in range(3):
        assert pair.ask(by_proxy)[0] == 200
    assert pair.counts == (3, 0)
    (replicas,) = pair.runtime.replicated.all
    assert replicas.stayed() == {"it goes through a proxy": 3}
    assert [r.message for r in caplog.records if "own address alone" in r.message] == [
        "requests for stub go to the application's own address alone: it goes through a proxy"
    ]


@pytest.mark.parametrize("library", ASKS)
def test_a_router_is_told_the_session(library: str) -> None:
    with ExitStack() as stack:
        pair = Pair(stack, "external", hints="agentic_context")
        for _ in range(5):
            assert pair.ask(ASKS[library])[0] == 200
        session = pair.own.calls[-1].headers["x-session-id"]
        assert pair.own.calls[-1].body == {
            **CHAT,
            "vllm_xargs": {
                "agentic_context": {
                    "program_id": session,
                    "expected_output_tokens": 9,
                    "expected_resume": False,
                }
            },
        }


def test_a_request_for_another_model_of_the_server_stays_there(pair: Pair) -> None:
    for _ in range(3):
        pair.ask(by_requests, model="another")
    assert pair.counts == (3, 0)


def keyed(library: str, url: str, key: str) -> int:
    """The status of a request with a key, by one header or another."""
    headers, body = {"Authorization" if library == "requests" else "Api-Key": key}, CHAT
    if library == "requests":
        return requests.post(url, json=body, headers=headers, timeout=5).status_code
    if library == "urllib3":
        with urllib3.PoolManager() as pools:
            return pools.request("POST", url, json=body, headers=headers, retries=False).status

    async def asked() -> int:
        async with aiohttp.ClientSession() as s, s.post(url, json=body, headers=headers) as reply:
            return reply.status

    return asyncio.run(asked())


@pytest.mark.parametrize("library", ["requests", "urllib3", "aiohttp"])
def test_a_key_that_one_refuses_takes_it_from_no_other_key(pair: Pair, library: str) -> None:
    pair.other.reply_when(lambda asked: "guest" in asked.headers.values(), status=401)
    with entered(open_scope(pair.runtime)):
        for _ in range(4):
            assert [keyed(library, pair.url, key) for key in ("mine", "guest")] == [200, 200]
    statuses = [call.status for call in pair.other.calls]
    assert statuses.count(401) == 1
    assert statuses.count(200) >= 2

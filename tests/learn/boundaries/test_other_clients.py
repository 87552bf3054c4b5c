"""Engines asked over requests and aiohttp are followed and asked ahead, to the byte."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests

from ayo_bridge import Answer, Dialect, Runtime, accelerate, explain
from ayo_bridge.profile import ProfileStore
from ayo_bridge.seam import EngineKind, Outcome
from tests.adapters.python.programs import learned, outcomes, question
from tests.learn.boundaries.arms import ahead, equal_arms, sent, taught
from tests.stub_openai import StubOpenAI

Post = Callable[[str, Any], Any]


def _by_itself(url: str, body: Any) -> Any:
    return requests.post(url, json=body, headers={"Authorization": "Bearer key"}, timeout=5).json()


def _by_session() -> Post:
    session = requests.Session()
    session.auth = ("user", "secret")
    session.headers["X-Tenant"] = "a"
    session.cookies.set("seen", "before")
    return lambda url, body: session.post(url, json=body).json()


def _over_aiohttp(url: str, body: Any) -> Any:
    async def posted() -> Any:
        session = aiohttp.ClientSession(headers={"Authorization": "Bearer key"})
        async with session, session.post(url, json=body) as reply:
            reply.raise_for_status()
            return await reply.json()

    return asyncio.run(posted())


CLIENTS: dict[str, Callable[[], Post]] = {
    "post": lambda: _by_itself,
    "session": _by_session,
    "aiohttp": lambda: _over_aiohttp,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_embedded_and_reranked_is_asked_ahead(
    stub: StubOpenAI, runtime: Runtime, client: str
) -> None:
    post = CLIENTS[client]()

    def embed(text: str) -> Any:
        return post(f"{stub.root_url}/embed", {"inputs": [text]})

    def ranked(query: str, texts: Sequence[str]) -> Any:
        body = {"model": "stub-reranker", "query": query, "documents": texts, "top_n": 2}
        found = post(f"{stub.root_url}/v1/rerank", body)
        return [texts[each["index"]] for each in found["results"]]

    def answer(query: str) -> str:
        first = embed(query)
        best = ranked(query, [f"early {query}", f"late {query}", f"never {query}"])
        return f"{first} {embed(f'maybe {query}')} {best} {embed(f'not {query}')}"

    fast = taught(answer, runtime)
    equal_arms(fast, answer, stub, 9)
    made = ahead(fast)
    assert made == {
        (EngineKind.EMBEDDING, Outcome.DIRECT): 1,
        (EngineKind.EMBEDDING, Outcome.HIT): 2,
        (EngineKind.RERANKER, Outcome.HIT): 1,
    }


def test_an_engine_that_the_user_describes_is_known_by_any_client(
    stub: StubOpenAI, tmp_path: Path
) -> None:
    mine = Dialect(
        name="mine",
        kind=EngineKind.EMBEDDING,
        paths=("/embed",),
        fields=("inputs",),
        inputs="inputs",
        model="",
        deterministic=True,
        answer=lambda asked, said: Answer(vectors=tuple(map(tuple, said.document))),
    )

    def embed(query: str) -> str:
        url = f"{stub.root_url}/embed"
        return f"{_by_itself(url, {'inputs': [query]})} {_over_aiohttp(url, {'inputs': [query]})}"

    store = ProfileStore(tmp_path)
    with contextlib.closing(Runtime(dialects=[mine], measure=False, profiles=store)) as runtime:
        fast = accelerate(embed, runtime=runtime)
        assert fast(question(1)) == embed(question(1))
        record = explain(fast).record
    assert record is not None
    assert [call.engine.partition("@")[0] for call in record.calls] == ["embedding:mine"] * 2


async def test_equal_texts_on_their_way_are_sent_once_over_aiohttp(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    async def embed(session: aiohttp.ClientSession, text: str) -> Any:
        async with session.post(f"{stub.root_url}/embed", json={"inputs": [text]}) as reply:
            return await reply.json()

    async def answer(query: str) -> str:
        async with aiohttp.ClientSession() as session:
            first = await embed(session, query)
            second = await embed(session, f"not {query}")
            return f"{first} {second} {await embed(session, f'not {query}')}"

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        assert await fast(question(number)) == await answer(question(number))
    await asyncio.to_thread(learned, fast)
    sent(stub)
    assert await fast(question(9)) == await answer(question(9))
    assert outcomes(fast) == {Outcome.DIRECT: 1, Outcome.HIT: 2}
    assert len(stub.requests) == 2 + 3


def test_what_is_left_alone_says_why_and_what_it_answers_is_known(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    def signed(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Signature"] = str(hash(request.body))
        return request

    def answer(query: str) -> str:
        first = _by_itself(f"{stub.root_url}/embed", {"inputs": [query]})
        url, texts = f"{stub.root_url}/rerank", [f"early {query}", f"late {query}"]
        body = {"query": query, "texts": texts}
        best = texts[requests.post(url, json=body, auth=signed).json()[0]["index"]]
        other = {"query": f"not {query}", "texts": [f"red {query}", f"blue {query}"]}
        second = requests.post(url, json=other, auth=signed).json()
        last = _by_itself(f"{stub.root_url}/embed", {"inputs": [best]})
        return f"{first} {second} {last}"

    fast = taught(answer, runtime)
    equal_arms(fast, answer, stub, 9)
    assert ahead(fast)[EngineKind.RERANKER, Outcome.DIRECT] == 2
    shown = " ".join(explain(fast).full().split())
    assert "left to the original: it is authenticated in a way of its own" in shown
    assert "{item of site 2 [0].text}" in shown

"""Engines asked over requests and aiohttp are followed and asked ahead, to the byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import pytest
import requests

from ayo_bridge import Runtime
from ayo_bridge.seam import EngineKind, Outcome
from tests.learn.boundaries.arms import ahead, equal_arms, taught
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

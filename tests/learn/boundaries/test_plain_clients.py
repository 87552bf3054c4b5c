"""Engines that plain HTTP clients ask are followed and asked ahead, to the byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import ollama
import pytest

from ayo_bridge import Runtime, accelerate
from ayo_bridge.seam import EngineKind, Outcome
from tests.adapters.python.programs import asked, client_of, learned, outcomes, question
from tests.learn.boundaries.arms import ahead, equal_arms, taught
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
Rank = Callable[[str, Sequence[str]], list[str]]


def _ranking(stub: StubOpenAI, path: str, names: tuple[str, str], **more: Any) -> Rank:
    """Who ranks texts by a client of its own for each call, as LlamaIndex's TEI classes do."""
    query_name, texts_name = names

    def ranked(query: str, texts: Sequence[str]) -> list[str]:
        body = {query_name: query, texts_name: list(texts), **more}
        with httpx.Client(headers={"Authorization": "Bearer key"}) as client:
            reply = client.post(f"{stub.root_url}{path}", json=body, timeout=5.0).json()
        if "data" in reply:
            reply = sorted(reply["data"], key=lambda each: -each["score"])
        found = reply["results"] if isinstance(reply, dict) else reply
        return [texts[each["index"]] for each in found]

    return ranked


@pytest.mark.parametrize(
    ("path", "names", "more"),
    [
        ("/v1/rerank", ("query", "documents"), {"model": "stub-reranker", "top_n": 3}),
        ("/rerank", ("query", "texts"), {"truncate": True}),
        ("/score", ("text_1", "text_2"), {"model": "stub-reranker"}),
    ],
)
def test_what_is_reranked_by_a_server_is_asked_ahead_and_its_order_is_known_then(
    stub: StubOpenAI, runtime: Runtime, path: str, names: tuple[str, str], more: dict[str, Any]
) -> None:
    client, rank = client_of(stub), _ranking(stub, path, names, **more)

    def answer(query: str) -> str:
        first = rank(query, [f"early {query}", f"late {query}", f"never {query}"])
        tone = asked(client, f"What tone has this? {query}")
        best = rank(f"not {query}", [f"{word} {query}" for word in ("red", "green", "blue")])
        return asked(client, f"{tone}, from {best[0]} and {first[0]}")

    fast = taught(answer, runtime)
    equal_arms(fast, answer, stub, 9)
    made = ahead(fast)
    assert made[EngineKind.RERANKER, Outcome.HIT] == 1
    assert not any(outcome is Outcome.WASTED for _, outcome in made)


def test_what_tei_embeds_is_asked_ahead_by_clients_that_live_for_a_call(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    def embed(texts: list[str]) -> list[list[float]]:
        with httpx.Client() as client:
            reply = client.post(f"{stub.root_url}/embed", json={"inputs": texts}, timeout=5.0)
        vectors: list[list[float]] = reply.json()
        return vectors

    def answer(query: str) -> str:
        return f"{embed([query])} {embed([f'not {query}', 'never'])} {embed([f'maybe {query}'])}"

    fast = taught(answer, runtime)
    equal_arms(fast, answer, stub, 9)
    assert ahead(fast) == {
        (EngineKind.EMBEDDING, Outcome.DIRECT): 1,
        (EngineKind.EMBEDDING, Outcome.HIT): 2,
    }


@pytest.mark.parametrize("stream", [False, True])
def test_what_ollama_is_asked_is_asked_ahead(
    stub: StubOpenAI, runtime: Runtime, stream: bool
) -> None:
    client = ollama.Client(host=stub.root_url)
    stub.reply_when("List the causes", latency=0.1)

    def chatted(prompt: str) -> str:
        messages = [{"role": "user", "content": prompt}]
        if not stream:
            return str(client.chat(model="stub", messages=messages).message.content)
        parts = client.chat(model="stub", messages=messages, stream=True)
        return "".join(str(part.message.content) for part in parts)

    def answer(query: str) -> str:
        causes = chatted(f"List the causes of {query}")
        ask: Any = client.generate
        made = ask(model="stub", prompt=f"What tone has {query}?", stream=stream)
        tone = "".join(str(p.response) for p in made) if stream else str(made.response)
        vector = client.embed(model="stub", input=f"{tone} of {query}").embeddings[0]
        return chatted(f"{causes} {tone} {vector[0] > 2}: {query}")

    fast = taught(answer, runtime)
    equal_arms(fast, answer, stub, 9)
    made = ahead(fast)
    assert made[EngineKind.LLM, Outcome.HIT]  # The last one, too, unless it is there at once.
    assert made[EngineKind.EMBEDDING, Outcome.HIT] == 1
    assert not made[EngineKind.LLM, Outcome.WASTED]


def test_what_ollama_is_asked_by_awaited_calls_is_asked_ahead(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    async def answer(query: str) -> str:
        client: Any = ollama.AsyncClient(host=stub.root_url)
        first = await client.embed(model="stub", input=query)
        second = await client.embed(model="stub", input=f"not {query}")
        await client.close()
        return f"{first.embeddings} {second.embeddings}"

    fast = accelerate(answer, runtime=runtime)

    async def run() -> None:
        for number in range(4):
            assert await fast(question(number)) == await answer(question(number))
        await asyncio.to_thread(learned, fast)
        assert await fast(question(9)) == await answer(question(9))

    asyncio.run(run())
    assert outcomes(fast) == {Outcome.DIRECT: 1, Outcome.HIT: 1}


def test_headers_that_a_client_gets_later_are_never_those_of_requests_ahead(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = httpx.Client(headers={"X-Tenant": "a"})

    def embed(text: str) -> Any:
        return client.post(f"{stub.root_url}/embed", json={"inputs": text}).json()

    def answer(query: str) -> str:
        return f"{embed(query)} {embed(f'not {query}')} {embed(f'never {query}')}"

    fast = taught(answer, runtime)
    client.headers["X-Tenant"] = "b"
    equal_arms(fast, answer, stub, 9)
    stub.requests.clear()
    fast(question(4))
    assert {request.headers["x-tenant"] for request in stub.requests} == {"b"}
    client.close()


def test_nothing_is_asked_under_another_tenants_key_by_clients_that_live_for_a_call(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    def embed(tenant: str, text: str) -> Any:
        with httpx.Client(headers={"Authorization": tenant}) as client:
            return client.post(f"{stub.root_url}/embed", json={"inputs": text}).json()

    def answer(tenant: str, query: str) -> str:
        first = embed(tenant, f"{tenant} asks {query}")
        return f"{first} {embed(tenant, f'{tenant} does not ask {query}')}"

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        fast("tenant-0", question(number))
    learned(fast)
    fast("tenant-0", question(4))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}
    for number in range(5, 12):
        fast(f"tenant-{number}", question(number))
    assert len(stub.requests) == 24
    for request in stub.requests:
        assert request.body["inputs"].startswith(f"{request.headers['authorization']} ")


def test_clients_with_hooks_are_counted_and_left_alone(stub: StubOpenAI, runtime: Runtime) -> None:
    hooked: list[str] = []
    client = httpx.Client(event_hooks={"request": [lambda request: hooked.append(request.method)]})

    def answer(query: str) -> str:
        url = f"{stub.root_url}/embed"
        first = client.post(url, json={"inputs": query}).json()
        return f"{first} {client.post(url, json={'inputs': f'not {query}'}).json()}"

    fast = accelerate(answer, runtime=runtime)
    for number in range(6):
        assert fast(question(number)) == answer(question(number))
    assert outcomes(fast) == {Outcome.DIRECT: 2}
    assert len(hooked) == 24
    client.close()

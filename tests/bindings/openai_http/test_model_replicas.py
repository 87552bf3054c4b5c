"""Embedding models and rerankers that have replicas: where requests go, and what of failures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import openai
import pytest

from ayo_bridge import Embedding, Reranker, Runtime
from ayo_bridge.engines.openai_http.prompts import work_of
from ayo_bridge.schedule.routing import Router, Routing
from ayo_bridge.seam import entered
from tests.bindings.openai_http.two_replicas import leave
from tests.deadline import eventually
from tests.scopes import open_scope
from tests.stub_openai import StubOpenAI

TEXTS = ["the river is wide", "the reed is tall"]
ASKED: dict[str, dict[str, Any]] = {
    "/v1/embeddings": {"model": "m", "input": TEXTS},
    "/rerank": {"model": "r", "query": "what is wide?", "documents": TEXTS},
    "/embed": {"inputs": TEXTS},
    "/score": {"text_1": "what is wide?", "text_2": TEXTS},
}


@pytest.fixture
def stubs(bound: None) -> Iterator[list[StubOpenAI]]:
    with ExitStack() as stack:
        yield [stack.enter_context(StubOpenAI(latency=0.002)) for _ in range(2)]


@pytest.fixture
def runtime(stubs: list[StubOpenAI]) -> Iterator[Runtime]:
    """Both models at both servers, in turns; the application has the first of them."""
    urls = [stub.root_url for stub in stubs]
    engines = [cls(name, urls=urls, routing="round_robin") for cls, name in _NAMES]
    made = Runtime(engines=engines)
    yield made
    made.close()


_NAMES = ((Embedding, "m"), (Reranker, "r"))


@pytest.mark.parametrize("path", ASKED)
def test_requests_go_to_all_with_the_answers_of_one(
    stubs: list[StubOpenAI], runtime: Runtime, path: str
) -> None:
    one, other = stubs
    with httpx.Client(base_url=one.root_url) as client:
        alone = client.post(path, json=ASKED[path])
        with entered(open_scope(runtime)):
            replies = [client.post(path, json=ASKED[path]) for _ in range(4)]
    assert [each.json() for each in replies] == [alone.json()] * 4
    assert {str(each.request.url) for each in replies} == {f"{one.root_url}{path}"}
    # A server counts a call when its reply is on the way.
    eventually(lambda: (one.served, other.served) == (3, 2), "three and two calls")


async def test_a_server_that_is_gone_costs_nobody_an_answer(
    stubs: list[StubOpenAI], runtime: Runtime
) -> None:
    one, other = stubs
    leave(other)
    client = openai.AsyncOpenAI(base_url=one.base_url, api_key="k", max_retries=0)
    async with client:
        with entered(open_scope(runtime)):
            for _ in range(3):
                assert len((await client.embeddings.create(**ASKED["/v1/embeddings"])).data) == 2
    eventually(lambda: one.served == 3, "three calls")
    embedding, reranker = runtime.replicated.all
    assert (embedding.up(), reranker.up()) == ((True, False), (True, True))


def test_servers_are_added_and_removed_while_they_are_asked(
    stubs: list[StubOpenAI], runtime: Runtime
) -> None:
    one, other = stubs
    with StubOpenAI(latency=0.0) as third, httpx.Client(base_url=one.root_url) as client:
        for cls, name in _NAMES:
            runtime.change(cls(name, urls=[third.root_url], routing="round_robin"))
        with entered(open_scope(runtime)):
            for path in ASKED:
                assert client.post(path, json=ASKED[path]).status_code == 200
        eventually(lambda: third.served == len(ASKED), "all of them at the third")
    assert (one.served, other.served) == (0, 0)
    assert [each.up() for each in runtime.replicated.all] == [(False, False, True)] * 2


def test_one_long_request_counts_more_than_several_short_ones() -> None:
    router = Router(2, Routing.LEAST_DELAY)
    long, short = (work_of({"input": ["a text"] * count}) for count in (500, 1))
    places = []
    for work in (long, *[short] * 6):
        place = router.choose(work, 0.0)
        assert place is not None
        router.begins(place, work, 0.0)
        places.append(place)
    assert places == [places[0], *[1 - places[0]] * 6]

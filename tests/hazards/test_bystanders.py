"""Others who watch or limit the same calls: each sees each request once, as in the original."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import wrapt
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.rate_limiter import BaseRateLimiter
from llama_index.core.retrievers import VectorIndexRetriever

from ayo_bridge import Runtime, accelerate, explain
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env, canonical
from tests.hazards.engines import generation, tree

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CREATE = ("openai.resources.chat.completions", "Completions")


@contextmanager
def _vendor(seen: list[str]) -> Iterator[None]:
    """A tracing vendor's wrapper on the SDK."""
    owner = getattr(importlib.import_module(CREATE[0]), CREATE[1])
    original = owner.create

    def watch(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        seen.append(str(kwargs["messages"]))
        return wrapped(*args, **kwargs)

    owner.create = wrapt.FunctionWrapper(original, watch)
    try:
        yield
    finally:
        owner.create = original


@pytest.mark.parametrize("first", [True, False])
def test_a_vendor_wrapper_sees_each_request_once(first: bool, env: Env, runtime: Runtime) -> None:
    expected: list[str] = []
    with _vendor(expected):
        plain = tree(env)
        answer = str(plain.query("one"))
    seen: list[str] = []
    if first:
        with _vendor(seen):
            fast = accelerate(tree(env), runtime=runtime)
            assert str(fast.query("one")) == answer
    else:
        fast = accelerate(tree(env), runtime=runtime)
        fast.query("one")
        with _vendor(seen):
            assert str(fast.query("one")) == answer
    assert Counter(seen) == Counter(expected)


class Counting(BaseRateLimiter):
    """Counts what it lets through."""

    def __init__(self) -> None:
        self.acquired = 0

    def acquire(self, num_tokens: int = 0) -> None:
        self.acquired += 1

    async def async_acquire(self, num_tokens: int = 0) -> None:
        self.acquired += 1


def _limited(env: Env, limiter: Counting, *, embeddings: bool) -> Any:
    if not embeddings:
        return tree(env, model=parts.llm(env, rate_limiter=limiter))
    model = MockEmbedding(embed_dim=parts.DIMENSION, rate_limiter=limiter)
    source = VectorIndexRetriever(parts.index(), embed_model=model, similarity_top_k=4)
    return parts.fusion(env, "simple", retrievers=[source, source])


@pytest.mark.parametrize("embeddings", [False, True])
async def test_a_rate_limiter_is_asked_as_often(
    embeddings: bool, env: Env, runtime: Runtime
) -> None:
    parts.answers(env.stub)
    limiter = Counting()
    counts = []
    for fast in (False, True):
        obj = _limited(env, limiter, embeddings=embeddings)
        if fast:
            obj = accelerate(obj, runtime=runtime)
        for name in ("retrieve", "aretrieve") if embeddings else ("query", "aquery"):
            before = limiter.acquired
            asked = getattr(obj, name)("one")
            if name.startswith("a"):
                await asked
            counts.append(limiter.acquired - before)
    assert counts[:2] == counts[2:]
    assert all(counts)


def test_hooks_of_the_users_http_client_see_each_request_once(env: Env, runtime: Runtime) -> None:
    seen: list[str] = []
    hooks = {
        "request": [lambda request: seen.append(f"> {request.url} {request.content!r}")],
        "response": [lambda response: seen.append(f"< {response.status_code}")],
    }
    logs = []
    for fast in (False, True):
        with httpx.Client(event_hooks=hooks) as client:
            engine = tree(env, model=parts.llm(env, http_client=client))
            if fast:
                engine = accelerate(engine, runtime=runtime)
            engine.query("one")
        logs.append(list(seen))
        seen.clear()
    assert logs[0] == logs[1]
    assert len(logs[0]) == 2 * len(env.stub.calls) / 2


class Signing(httpx.Auth):
    """Signs each request with a number of its own."""

    def __init__(self) -> None:
        self.number = 0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self.number += 1
        request.headers["x-signature"] = str(self.number)
        yield request


def test_an_auth_flow_signs_each_request_itself(env: Env, runtime: Runtime) -> None:
    sent = []
    for fast in (False, True):
        env.stub.reset()
        with httpx.Client(auth=Signing()) as client:
            engine = tree(env, model=parts.llm(env, http_client=client))
            if fast:
                engine = accelerate(engine, runtime=runtime)
            engine.query("one")
        sent.append(Counter(canonical(call) for call in env.stub.calls))
    assert sent[0] == sent[1]


def test_a_transport_of_the_users_own_is_left_alone(env: Env, runtime: Runtime) -> None:
    class Counted(httpx.HTTPTransport):
        requests = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            type(self).requests += 1
            return super().handle_request(request)

    counts = []
    for fast in (False, True):
        Counted.requests = 0
        with httpx.Client(transport=Counted()) as client:
            engine = tree(env, model=parts.llm(env, http_client=client))
            if fast:
                engine = accelerate(engine, runtime=runtime)
            engine.query("one")
        counts.append(Counted.requests)
    assert counts[0] == counts[1] > 0
    assert "client" in explain(engine).full() or "transport" in explain(engine).full()


def test_a_limiter_is_named_in_the_explanation(env: Env, runtime: Runtime) -> None:
    fast = accelerate(
        generation(env, model=parts.llm(env, rate_limiter=Counting())), runtime=runtime
    )
    fast.query("one")
    assert "rate limiter" in explain(fast).full()

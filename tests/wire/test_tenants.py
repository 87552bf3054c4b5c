"""Models of two tenants that share what they can: none is served the other's reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableParallel

from ayo_bridge import Runtime, accelerate, stats
from ayo_bridge.profile import ProfileStore
from tests.faults.matrix.entries import fusion, multi_query, synthesis
from tests.stub_openai import StubOpenAI, StubRequest
from tests.wire.sending import World, lines, world_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(60),
]
TENANTS = ("red", "blue")
ROUNDS = 6


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


@pytest.fixture
def world() -> Iterator[World]:
    with world_of(False) as made:
        _answer_by_tenant(made.server)
        yield made


def _tenant(request: StubRequest) -> str:
    sent = request.headers
    return sent.get("x-tenant") or sent.get("openai-organization") or sent["authorization"][7:]


def _answer_by_tenant(stub: StubOpenAI) -> None:
    def text(request: StubRequest) -> str:
        said = lines(request.body).split("\n")
        return "\n".join(f"{_tenant(request)} {line}" for line in said)

    stub.reply_when(lambda request: request.mark is None, text=text)


def _headers(tenant: str) -> dict[str, Any]:
    return {"default_headers": {"X-Tenant": tenant}}


def _organisation(tenant: str) -> dict[str, Any]:
    return {"organization": tenant}


def _key(tenant: str) -> dict[str, Any]:
    return {"api_key": tenant}


class Replies(BaseCallbackHandler):
    """Which model was given whose reply; red's observer may be slow, so that blue comes first."""

    def __init__(self, slow: bool) -> None:
        self.slow = slow
        self.tenants: dict[object, str] = {}
        self.given: list[tuple[str, str]] = []

    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: UUID, metadata: Any = None, **kwargs: Any
    ) -> None:
        self.tenants[run_id] = metadata["tenant"]
        if self.slow and metadata["tenant"] == TENANTS[0]:
            time.sleep(0.03)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        text = response.generations[0][0].text
        self.given += [(self.tenants[run_id], line.split()[0]) for line in text.split("\n")]


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("how", [_headers, _organisation, _key])
def test_two_models_in_one_accelerated_chain(
    how: Callable[[str], dict[str, Any]], slow: bool, world: World, runtime: Runtime
) -> None:
    """LangChain gives all models of a server one HTTP client."""
    branches = {
        tenant: multi_query(world.chat(metadata={"tenant": tenant}, **how(tenant)))
        for tenant in TENANTS
    }
    fast = accelerate(RunnableParallel(branches), runtime=runtime)
    replies = Replies(slow)
    for number in range(ROUNDS):
        fast.invoke("a question of both", config={"callbacks": [replies]})
        if number == 1:
            time.sleep(0.1)  # What is learned of the server in the meantime is used from now on.
    assert {(asked, served) for asked, served in replies.given if asked != served} == set()
    assert len(replies.given) == ROUNDS * 2 * 4  # Three lines, and an answer.
    assert len(world.server.calls) == ROUNDS * 4


@pytest.mark.parametrize("how", [_headers, _key])
@pytest.mark.parametrize("build", [fusion, lambda model: synthesis(model, "tree_summarize")])
def test_two_engines_on_one_http_client(
    build: Callable[[Any], Any],
    how: Callable[[str], dict[str, Any]],
    world: World,
    runtime: Runtime,
) -> None:
    shared = httpx.Client()
    engines = {
        tenant: accelerate(build(world.like(http_client=shared, **how(tenant))), runtime=runtime)
        for tenant in TENANTS
    }
    for number in range(ROUNDS):
        for tenant, engine in engines.items():
            assert str(engine.query(f"question {number % 3}")).startswith(f"{tenant} ")
    for tenant in TENANTS:
        own = [call for call in world.server.calls if _tenant(call) == tenant]
        assert len(own) * 2 == len(world.server.calls)
    assert any(stats(engine).calls for engine in engines.values())


def test_a_cookie_of_one_tenant_is_not_sent_by_the_other(world: World, runtime: Runtime) -> None:
    """Each has an HTTP client of its own; the server sets a cookie a key."""

    def cookie(request: StubRequest) -> bool:
        stub.extra_headers[:] = [("set-cookie", f"session=of-{_tenant(request)}; Path=/")]
        return False

    stub = world.server
    stub.reply_when(cookie)
    chains = {}
    for tenant in TENANTS:
        http = httpx.Client()
        model = world.chat(api_key=tenant, http_client=http)
        chains[tenant] = accelerate(multi_query(model), runtime=runtime), http
    for number in range(4):
        for chain, _ in chains.values():
            chain.invoke(f"question {number}")
    for tenant, (_, http) in chains.items():
        assert set(http.cookies.values()) == {f"of-{tenant}"}
    for request in stub.requests:
        if sent := request.headers.get("cookie"):
            assert sent == f"session=of-{_tenant(request)}"

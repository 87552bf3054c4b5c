"""Every request to an engine under a scope is noted, whoever makes it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ayo_bridge.bindings.openai_http import BINDINGS
from ayo_bridge.graph import Graph, Template
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead import Plan, Scope
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import EngineCall, EngineKind, Outcome, entered

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
USAGE = {"prompt_tokens": 7, "completion_tokens": 3}


class Handler(http.server.BaseHTTPRequestHandler):
    """Replies to every POST, in the form of a completion or, if asked to, as a stream."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status = int(self.headers.get("x-status", "200"))
        content = json.dumps({"usage": USAGE}).encode()
        if b'"stream"' in body:
            content = b"data: " + content + b"\n\ndata: [DONE]\n\n"
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Not to the terminal."""


@dataclass
class World:
    """A server that nobody has registered, and a scope."""

    host: str
    runtime: Runtime = field(default_factory=Runtime)

    def __post_init__(self) -> None:
        nothing = Plan(Template(()), Graph(()), Graph(()))
        record = CallRecord("test", 0.0, nothing.template, nothing.p_graph, nothing.e_graph)
        self.scope = Scope(self.runtime, nothing, record)

    def url(self, path: str) -> str:
        return f"http://{self.host}/v1{path}"

    @property
    def calls(self) -> tuple[EngineCall, ...]:
        return tuple(self.scope.record.calls)

    @property
    def call(self) -> EngineCall:
        (call,) = self.calls
        return call


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def world(server: str) -> Iterator[World]:
    for binding in BINDINGS:
        binding.install()
    world = World(server)
    yield world
    world.scope.close()
    world.runtime.close()
    for binding in BINDINGS:
        binding.uninstall()


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


@pytest.mark.parametrize("path", ["/chat/completions", "/completions", "/responses"])
def test_a_call_to_an_llm_that_nobody_registered_is_seen(
    world: World, library: Any, path: str
) -> None:
    with library.Client() as client, entered(world.scope):
        assert client.post(world.url(path), json=CHAT).status_code == 200
    assert (world.call.engine, world.call.kind) == (f"llm:m@{world.host}", EngineKind.LLM)
    assert world.call.outcome is Outcome.DIRECT
    assert world.call.ended is not None
    assert world.runtime.knows(f"llm:m@{world.host}")


def test_its_tokens_are_counted(world: World, library: Any) -> None:
    with library.Client() as client, entered(world.scope):
        client.post(world.url("/chat/completions"), json=CHAT)
    assert (world.call.prompt_tokens, world.call.completion_tokens) == (7, 3)


async def test_an_async_call_is_seen(world: World, library: Any) -> None:
    async with library.AsyncClient() as client:
        with entered(world.scope):
            await client.post(world.url("/chat/completions"), json=CHAT)
    assert world.call.engine == f"llm:m@{world.host}"
    assert world.call.ended is not None


def test_a_call_that_streams_is_seen_and_ends_with_its_stream(world: World, library: Any) -> None:
    with library.Client() as client, entered(world.scope):
        url, body = world.url("/chat/completions"), {**CHAT, "stream": True}
        with client.stream("POST", url, json=body) as reply:
            assert world.call.ended is None or reply.is_closed
            lines = list(reply.iter_lines())
    assert "data: [DONE]" in lines
    assert world.call.ended is not None
    assert world.call.prompt_tokens == 7


async def test_an_async_stream_is_seen(world: World, library: Any) -> None:
    async with library.AsyncClient() as client:
        with entered(world.scope):
            url, body = world.url("/chat/completions"), {**CHAT, "stream": True}
            async with client.stream("POST", url, json=body) as reply:
                lines = [line async for line in reply.aiter_lines()]
    assert "data: [DONE]" in lines
    assert world.call.prompt_tokens == 7


def test_a_call_that_is_refused_is_seen(world: World, library: Any) -> None:
    with library.Client() as client, entered(world.scope):
        reply = client.post(world.url("/chat/completions"), json=CHAT, headers={"x-status": "500"})
    assert reply.status_code == 500
    assert world.call.ended is not None


def test_a_call_that_reaches_nobody_is_seen_with_its_error(world: World, library: Any) -> None:
    with (
        library.Client() as client,
        entered(world.scope),
        pytest.raises(library.ConnectError),
    ):
        client.post("http://127.0.0.1:9/v1/chat/completions", json=CHAT)
    assert world.call.engine == "llm:m@127.0.0.1:9"
    assert "ConnectError" in world.call.error


def test_models_behind_one_address_are_told_apart(world: World, library: Any) -> None:
    with library.Client() as client, entered(world.scope):
        for model in ("a", "b", "a"):
            client.post(world.url("/chat/completions"), json={**CHAT, "model": model})
    assert [call.engine for call in world.calls] == [f"llm:{m}@{world.host}" for m in "aba"]


def test_a_call_that_names_no_model_is_seen(world: World, library: Any) -> None:
    with library.Client() as client, entered(world.scope):
        client.post(world.url("/completions"), json={"prompt": "Hello"})
        client.post(world.url("/completions"), content=iter([b"{}"]))
    assert {call.engine for call in world.calls} == {f"llm:unknown model@{world.host}"}


def test_credentials_in_an_address_are_in_no_name(world: World, library: Any) -> None:
    url = f"http://user:secret@{world.host}/v1/chat/completions?key=secret"
    with library.Client() as client, entered(world.scope):
        client.post(url, json=CHAT)
    assert world.call.engine == f"llm:m@{world.host}"
    engine: Any = world.runtime.scheduler(world.call.engine).engine
    assert engine.base_url == f"http://{world.host}/v1"


def test_embeddings_are_noted_with_so_many_items(world: World, library: Any) -> None:
    with library.Client() as client, entered(world.scope):
        for texts in ("one", ["a", "b", "c"], [1, 2, 3]):
            client.post(world.url("/embeddings"), json={"model": "e", "input": texts})
    assert {(c.engine, c.kind) for c in world.calls} == {
        (f"embedding:e@{world.host}", EngineKind.EMBEDDING)
    }
    assert [call.items for call in world.calls] == [1, 3, 1]
    assert all(call.ended is not None for call in world.calls)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/chat/completions", None),
        ("POST", "/search", CHAT),
        ("POST", "/chat/completions/render", CHAT),
        ("POST", "/responses", {"answers": ["yes"]}),
        ("POST", "/embeddings", ["no", "object"]),
    ],
)
def test_what_is_no_call_of_an_engine_is_not_noted(
    world: World, library: Any, method: str, path: str, body: object
) -> None:
    with library.Client() as client, entered(world.scope):
        client.request(method, world.url(path), json=body)
    assert world.calls == ()


def test_without_a_scope_nothing_is_noted(world: World, library: Any) -> None:
    with library.Client() as client:
        client.post(world.url("/chat/completions"), json=CHAT)
    assert world.calls == ()
    assert not world.runtime.schedulers

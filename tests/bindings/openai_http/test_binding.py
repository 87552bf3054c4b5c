"""The seam itself: both libraries, bare clients, what passes through."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ayo_bridge.bindings.http_requests import as_sent
from ayo_bridge.bindings.openai_http import BINDINGS, register_endpoint, unregister_endpoint
from ayo_bridge.engines.openai_http import Delivery, OpenAIServer, make_call
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import Call, Outcome, entered
from tests.bindings.openai_http.harness import API_KEY, ENGINE, MESSAGES, World, outcomes
from tests.deadline import eventually
from tests.stub_openai import StubProcess

BODY: dict[str, Any] = {"model": "stub", "messages": MESSAGES}
HEADERS = {"Authorization": f"Bearer {API_KEY}"}


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


def url(world: World) -> str:
    return world.stub.base_url + "/chat/completions"


def test_both_bindings_are_on(world: World) -> None:
    pytest.importorskip("httpx2")
    assert [binding.status for binding in BINDINGS] == ["installed", "installed"]


def test_installing_twice_wraps_once_and_comes_off(library: Any) -> None:
    binding = next(b for b in BINDINGS if b.distribution == library.__name__)
    binding.uninstall()  # An adapter may have put it on in this process.
    original = library.HTTPTransport.handle_request
    assert binding.install()
    assert binding.install()
    assert library.HTTPTransport.handle_request is not original
    binding.uninstall()
    assert library.HTTPTransport.handle_request is original


def test_a_bare_client_gets_a_response_of_its_own_library(world: World, library: Any) -> None:
    def auto(content: bytes) -> str:
        return "utf-8"

    with library.Client(default_encoding=auto) as client:
        expected = client.post(url(world), json=BODY, headers=HEADERS)
        with world.ahead(world.again()) as scope:
            found = client.post(url(world), json=BODY, headers=HEADERS)

    assert type(found) is type(expected) is library.Response
    assert found.content == expected.content
    assert found.headers.raw == expected.headers.raw
    assert type(found.stream) is type(expected.stream)
    assert found.default_encoding is auto
    assert found.request.headers == expected.request.headers
    assert found.elapsed.total_seconds() >= 0
    assert outcomes(scope) == [Outcome.HIT]


def test_hooks_and_an_authentication_flow_run_once_around_a_hit(world: World, library: Any) -> None:
    seen: list[str] = []

    class Auth(library.Auth):  # type: ignore[misc]
        def auth_flow(self, request: Any) -> Any:
            request.headers["Authorization"] = f"Bearer {API_KEY}"
            seen.append("auth")
            yield request

    hooks = {"request": [lambda r: seen.append("request")]}
    with library.Client(auth=Auth(), event_hooks=hooks) as client:
        client.post(url(world), json=BODY)
        seen.clear()
        with world.ahead(world.again()) as scope:
            assert client.post(url(world), json=BODY).status_code == 200

    assert seen == ["auth", "request"]
    assert outcomes(scope) == [Outcome.HIT]


async def test_a_bare_async_client_streams_a_replay(world: World, library: Any) -> None:
    body = {**BODY, "stream": True}
    async with library.AsyncClient() as client:
        await client.post(url(world), json=body, headers=HEADERS)
        with world.ahead(world.again(Delivery.REPLAY_STREAM)) as scope:
            async with client.stream("POST", url(world), json=body, headers=HEADERS) as reply:
                assert reply.headers["content-type"].startswith("text/event-stream")
                lines = [line async for line in reply.aiter_lines()]

    assert lines[-2] == "data: [DONE]"
    assert outcomes(scope) == [Outcome.HIT]


def test_a_client_behind_a_proxy_is_not_answered_from_the_other_side(
    world: World, library: Any
) -> None:
    with library.Client() as client:
        client.post(url(world), json=BODY, headers=HEADERS)
    with (
        library.Client(proxy=world.stub.root_url) as client,
        world.ahead(world.again()) as scope,
    ):
        client.post(url(world), json=BODY, headers=HEADERS)  # The stub plays the proxy.

    assert outcomes(scope) == [Outcome.WASTED, Outcome.DIRECT]


@pytest.mark.parametrize(
    "send",
    [
        lambda client, address: client.get(address, headers=HEADERS),
        lambda client, address: client.post(
            address, content=iter([b"{}"]), headers={**HEADERS, "content-length": "2"}
        ),
        lambda client, address: client.post(address, content=b"[]", headers=HEADERS),
        lambda client, address: client.post(address + "/render", json=BODY, headers=HEADERS),
    ],
    ids=["get", "streamed body", "no object", "below the path"],
)
def test_what_is_no_completion_passes_through(
    world: World, library: Any, send: Callable[[Any, str], Any]
) -> None:
    world.stub.reply_when(lambda request: True, status=404)
    world.stub.latency = 0
    eager = world.call(**BODY)
    with library.Client() as client, world.ahead(eager) as scope:
        send(client, url(world))
    (ahead,) = [call.outcome for call in scope.record.calls if call.key is not None]
    assert ahead is not Outcome.HIT


def test_requests_to_unregistered_servers_are_only_noted(world: World, library: Any) -> None:
    unregister_endpoint(world.stub.base_url)
    with library.Client() as client, world.ahead(world.call(**BODY)) as scope:
        client.post(url(world), json=BODY, headers=HEADERS)
    assert outcomes(scope) == [Outcome.WASTED, Outcome.DIRECT]


def test_an_unreachable_server_raises_as_ever(world: World, library: Any) -> None:
    register_endpoint("http://127.0.0.1:9/v1", "llm:nowhere")
    with library.Client() as client, world.ahead() as scope, pytest.raises(library.ConnectError):
        client.post("http://127.0.0.1:9/v1/completions", json={"prompt": "x"})
    unregister_endpoint("http://127.0.0.1:9/v1")
    assert "ConnectError" in scope.record.calls[0].error


def test_an_interrupt_while_waiting_is_the_users(
    world: World, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ayo_bridge.runahead import Ticket

    def interrupted(self: Ticket, seconds: float | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Ticket, "wait", interrupted)
    with library.Client() as client:
        client.post(url(world), json=BODY, headers=HEADERS)
        with world.ahead(world.again()), pytest.raises(KeyboardInterrupt):
            client.post(url(world), json=BODY, headers=HEADERS)


def test_many_threads_each_get_their_own(
    bound: None, stub_process: Callable[..., StubProcess]
) -> None:
    stub = stub_process(latency=0.0)
    runtime = Runtime(max_ahead=200)
    runtime.register(OpenAIServer(ENGINE, stub.base_url))
    register_endpoint(stub.base_url, ENGINE)
    world = World(stub, runtime, OpenAIServer(ENGINE, stub.base_url))  # type: ignore[arg-type]
    library = pytest.importorskip("httpx")
    wrong: list[object] = []

    def as_made(client: Any, body: dict[str, Any]) -> Call:
        address = f"{stub.base_url}/completions"
        built = client.build_request("POST", address, json=body, headers=HEADERS)
        return make_call(ENGINE, as_sent(client, built))

    def work(thread: int) -> None:
        with library.Client() as client:
            for turn in range(5):
                bodies = [{"model": "stub", "prompt": f"{thread} {turn} {i}"} for i in range(3)]
                scope = world.scope(*(as_made(client, body) for body in bodies))
                with entered(scope):
                    found = [
                        client.post(f"{stub.base_url}/completions", json=body, headers=HEADERS)
                        for body in bodies
                    ]
                scope.close()
                texts = {json.loads(reply.content)["choices"][0]["text"] for reply in found}
                if len(texts) != 3 or set(outcomes(scope)) != {Outcome.HIT}:
                    wrong.append((texts, outcomes(scope)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    unregister_endpoint(stub.base_url)
    runtime.close()
    assert wrong == []
    assert stub.seen()["served"] == 32 * 5 * 3


def test_a_stream_left_open_does_not_hold_the_runtime(world: World) -> None:
    world.stub.token_interval = 5
    body = {**BODY, "stream": True}
    with world.ahead(world.call(Delivery.REPLAY_STREAM, **body)):
        stream = world.client().chat.completions.create(**body)
        next(iter(stream))
        world.runtime.close()
        eventually(lambda: world.stub.calls[0].aborted, "the abort")
        stream.close()

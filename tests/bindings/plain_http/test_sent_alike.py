"""What is sent ahead over requests and aiohttp, and what is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest
import requests
from requests.adapters import HTTPAdapter

from ayo_bridge.bindings import urllib3_requests
from ayo_bridge.bindings.aiohttp_requests import AiohttpAsked
from ayo_bridge.bindings.http_asked import Asked
from ayo_bridge.bindings.http_senders import CannotBuildError, Sender
from ayo_bridge.engines.openai_http.connections import Connections
from ayo_bridge.engines.openai_http.tls import tls_context
from ayo_bridge.engines.openai_http.way import DIRECT, Proxy, Way
from tests.bindings.plain_http.harness import EMBED, World
from tests.engines.openai_http.loopback import Certificates, make_certificates, origin
from tests.stub_openai import StubOpenAI

Seen = list[Asked]


@pytest.fixture
def seen(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """The requests that the boundaries have looked at; their senders are asked for there."""
    found: Seen = []

    def addressed(asked: Any, runtime: Any) -> None:
        asked.by = asked.sender()
        found.append(asked)

    for module, kind in (
        ("urllib3_requests", urllib3_requests.Urllib3Asked),
        ("aiohttp_requests", AiohttpAsked),
    ):
        slots: Any = type(kind.__name__, (kind,), {})
        monkeypatch.setattr(f"ayo_bridge.bindings.{module}.{kind.__name__}", slots)
        monkeypatch.setattr(f"ayo_bridge.bindings.{module}.addressed", addressed)
    with world.ahead():
        yield found


def _only(seen: Seen) -> Any:
    (asked,) = seen
    seen.clear()
    return asked


def _wire(stub: StubOpenAI) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in stub.requests[-1].pairs]


def _signed(request: requests.PreparedRequest) -> requests.PreparedRequest:
    request.headers["X-Signature"] = "of this body"
    return request


def _posts(url: str) -> Iterator[Callable[[], Any]]:
    session = requests.Session()
    session.headers.update({"X-Tenant": "a", "accept-encoding": "identity"})
    session.cookies.set("seen", "before")
    yield lambda: requests.post(url, json=EMBED)
    yield lambda: requests.post(url, data=b'{"inputs":["sky"]}', headers={"Host": "other"})
    yield lambda: session.post(url, json=EMBED, auth=("user", "secret"), params={"a": "b c"})
    yield lambda: session.post(url, json={"inputs": ["Zoë"]}, timeout=(1, 2))


def test_headers_are_those_of_the_wire(world: World, seen: Seen) -> None:
    for post in _posts(world.embed):
        post()
        asked = _only(seen)
        assert list(asked.headers()) == _wire(world.stub)
        assert asked.way() == DIRECT
        sent = asked.by.request(asked.url, world.stub.requests[-1].body)
        assert sent.body == asked.content == world.stub.requests[-1].raw
        assert list(sent.headers) == _wire(world.stub)


async def test_headers_of_aiohttp_are_those_of_the_wire(world: World, seen: Seen) -> None:
    jar: Any = {"seen": "before"}
    auth = {"Authorization": aiohttp.encode_basic_auth("user", "secret")}
    for options in ({}, {"headers": {**auth, "x-tenant": "a"}, "cookies": jar}):
        async with aiohttp.ClientSession(**options) as session:
            await session.post(world.embed, json=EMBED, params={"a": "b c"})
            asked = _only(seen)
            assert list(asked.headers()) == _wire(world.stub)
            sent = asked.by.request(asked.url, EMBED)
            assert sent.body == world.stub.requests[-1].raw
            assert sent.way == DIRECT
            session.headers["X-Tenant"] = "b"
            with pytest.raises(CannotBuildError, match="has been changed"):
                asked.by.request(asked.url, EMBED)


def test_a_session_that_has_changed_is_not_asked_ahead(
    world: World, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = requests.Session()
    changes: list[Callable[[], Any]] = [
        lambda: session.headers.update({"X-Tenant": "b"}),
        lambda: session.cookies.set("seen", "now"),
        lambda: session.proxies.update({"http": "http://127.0.0.1:9"}),
        lambda: session.mount("http://", HTTPAdapter()),
        lambda: setattr(session, "auth", ("user", "secret")),
        lambda: monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9"),
    ]
    for change in changes:
        session.proxies.clear()
        session.post(world.embed, json=EMBED)
        by: Sender = _only(seen).by
        by.request(world.embed, EMBED)
        change()
        with pytest.raises(CannotBuildError, match="changed"):
            by.request(world.embed, EMBED)


class _Adding(HTTPAdapter):
    def add_headers(self, request: Any, **kwargs: Any) -> None:
        request.headers["X-Added"] = "yes"


def _mounted(adapter: HTTPAdapter) -> requests.Session:
    session = requests.Session()
    session.mount("http://", adapter)
    return session


class _Own(requests.Session):
    def send(self, request: Any, **kwargs: Any) -> Any:
        return super().send(request, **kwargs)


ALONE: dict[str, Callable[[str], Any]] = {
    "signed": lambda url: requests.post(url, json=EMBED, auth=_signed),
    "own session": lambda url: _Own().post(url, json=EMBED),
    "own adapter": lambda url: _mounted(_Adding()).post(url, json=EMBED),
    "limited": lambda url: _mounted(HTTPAdapter(pool_block=True)).post(url, json=EMBED),
    "streamed": lambda url: requests.post(
        url, data=iter([b'{"inputs":["sky"]}']), headers={"Content-Length": "18"}
    ),
}


@pytest.mark.parametrize("what", ALONE)
def test_what_adds_something_on_the_way_is_left_alone(world: World, seen: Seen, what: str) -> None:
    ALONE[what](world.embed)
    assert isinstance(_only(seen).by, str)


async def test_sessions_of_aiohttp_with_something_of_their_own_are_left_alone(
    world: World, seen: Seen
) -> None:
    async def signing(request: Any, handler: Any) -> Any:
        request.headers["X-Signature"] = "of this body"
        return await handler(request)

    silent = aiohttp.ClientTimeout(sock_read=5)
    given: list[Callable[[], dict[str, Any]]] = [
        lambda: {"middlewares": [signing]},
        lambda: {"trace_configs": [aiohttp.TraceConfig()]},
        lambda: {"timeout": silent},
        lambda: {"connector": aiohttp.TCPConnector(limit=4)},
        lambda: {"connector": aiohttp.TCPConnector(force_close=True)},
        lambda: {"proxy": world.stub.root_url},
    ]
    for options in given:
        async with aiohttp.ClientSession(**options()) as session:
            await session.post(world.embed, json=EMBED)
            assert isinstance(_only(seen).by, str)


def test_a_proxy_is_asked_as_the_session_asks_it(world: World, seen: Seen) -> None:
    proxies = {"http": world.stub.root_url.replace("://", "://user:secret@")}
    requests.post("http://stub.example/embed", json=EMBED, proxies=proxies)
    asked = _only(seen)
    assert asked.way() == Way(Proxy(world.stub.root_url))
    assert asked.url == world.stub.requests[-1].target == "http://stub.example/embed"
    assert list(asked.headers()) == _wire(world.stub)
    assert isinstance(asked.by, Sender)


def test_tls_is_spoken_with_an_equal_context(world: World, seen: Seen) -> None:
    url = "https://127.0.0.1:9/embed"
    ways = []
    for options in ({}, {}, {"verify": False}, {"cert": "/nowhere"}):
        with pytest.raises((requests.ConnectionError, OSError)):
            requests.post(url, json=EMBED, **options)
        ways += [asked.way() for asked in seen]
        seen.clear()
    assert ways[0] == ways[1]
    assert isinstance(ways[0], Way)
    assert ways[0].context is not None
    assert "warns" in str(ways[2])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


async def _sent_ahead(request: Any) -> None:
    connections = Connections(tls_context)
    reply = await connections.post(request.url, request.headers, request.body, {}, request.way)
    async for _ in reply.stream:
        pass
    await connections.aclose()


@pytest.mark.parametrize("kind", ["requests", "aiohttp"])
def test_over_tls_the_very_bytes_are_sent_with_the_certificates_of_the_session(
    seen: Seen, certificates: Certificates, kind: str
) -> None:
    shown = certificates.for_client(shown=True)

    async def posted(url: str) -> None:
        async with aiohttp.ClientSession() as session, session.post(url, json=EMBED, ssl=shown):
            pass

    with origin(certificates.for_server(client_required=True)) as server:
        url = f"https://127.0.0.1:{server.port}/embed"
        if kind == "aiohttp":
            asyncio.run(posted(url))
        else:
            given = str(certificates.server), str(certificates.client)
            requests.post(url, json=EMBED, verify=given[0], cert=given[1])
        asked = _only(seen)
        asyncio.run(_sent_ahead(asked.by.request(asked.url, EMBED)))
        first, second = server.taken()
    assert first == second

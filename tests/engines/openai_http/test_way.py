"""Our connections go the way of the original's client: the same bytes at the same places."""

import asyncio
import gc
import shutil
import socket
import ssl
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge.bindings.http_client import way_of
from ayo_bridge.engines.openai_http import connections as module
from ayo_bridge.engines.openai_http.connections import Connections
from ayo_bridge.engines.openai_http.errors import (
    ConnectError,
    ConnectTimeout,
    ProxyError,
    TransportError,
)
from ayo_bridge.engines.openai_http.tls import tls_context
from ayo_bridge.engines.openai_http.way import DIRECT, Proxy, Way
from tests.engines.openai_http.loopback import (
    Certificates,
    Listener,
    make_certificates,
    origin,
    proxy,
    silent,
)

BODY = b'{"model": "stub", "prompt": "' + b"x" * 4000 + b'"}'
HEADERS = {"Authorization": "Bearer sk-1", "X-Two": "b", "x-one": "a", "Cookie": "c=1"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with the openssl program")
    folder: Path = tmp_path_factory.mktemp("certificates")
    return make_certificates(folder)


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return pytest.importorskip(request.param)


@pytest.fixture
def places() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def _post(
    url: str,
    headers: Any,
    way: Way,
    *,
    body: bytes = BODY,
    times: int = 1,
    timeouts: Mapping[str, float | None] | None = None,
) -> list[int]:
    connections = Connections(tls_context)
    statuses = []
    try:
        for _ in range(times):
            response = await connections.post(
                url, headers, body, timeouts or {"connect": 5.0, "read": 5.0}, way
            )
            assert [part async for part in response.stream] in ([b"{}"], [])
            statuses.append(response.status)
    finally:
        await connections.aclose()
    return statuses


def _same(client: Any, url: str, *listeners: Listener) -> list[list[bytes]]:
    """Both send one request twice; what each listener saw of the original, and of ours."""
    with client:
        request = client.build_request("POST", url, content=BODY, headers=HEADERS)
        original = [client.send(request).status_code for _ in range(2)]
        seen = [listener.taken() for listener in listeners]
        way = way_of(client, url)
        assert isinstance(way, Way), way
        assert asyncio.run(_post(str(request.url), request.headers.raw, way, times=2)) == original
        assert [listener.taken() for listener in listeners] == seen
        return seen


def test_straight_to_the_server(library: Any, places: ExitStack) -> None:
    server = places.enter_context(origin())
    [seen] = _same(library.Client(), f"http://127.0.0.1:{server.port}/v1/x?y=%20z", server)
    assert len(seen) == 2
    assert seen[0].startswith(b"POST /v1/x?y=%20z HTTP/1.1\r\nHost: 127.0.0.1")
    assert seen[0].endswith(BODY)


def test_a_host_of_the_users_own_goes_first(library: Any, places: ExitStack) -> None:
    server = places.enter_context(origin())
    client = library.Client(headers={"X-Before": "1", "host": "tenant.example"})
    [seen] = _same(client, f"http://127.0.0.1:{server.port}/v1", server)
    assert b"host: tenant.example\r\n" in seen[0]


@pytest.mark.parametrize(
    "settings",
    [
        lambda lib, url: url,
        lambda lib, url: url.replace("//", "//user:pass@"),
        lambda lib, url: lib.Proxy(url, auth=("user", "pass"), headers={"X-Team": "blue"}),
        lambda lib, url: lib.Proxy(url, headers={"x-one": "the proxy's", "Accept": "none"}),
    ],
    ids=["plain", "userinfo", "auth", "headers"],
)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("tls_proxy", [False, True], ids=["over-http", "over-https"])
def test_through_a_proxy(
    library: Any,
    places: ExitStack,
    certificates: Certificates,
    settings: Callable[..., Any],
    secure: bool,
    tls_proxy: bool,
) -> None:
    server = places.enter_context(origin(certificates.for_server() if secure else None))
    between = places.enter_context(proxy(certificates.for_server() if tls_proxy else None))
    way = settings(library, f"http{'s' * tls_proxy}://127.0.0.1:{between.port}")
    if tls_proxy:
        way = library.Proxy(way) if isinstance(way, str) else way
        way.ssl_context = certificates.for_client()
    client = library.Client(proxy=way, verify=certificates.for_client())
    url = f"http{'s' * secure}://localhost:{server.port}/v1/x"
    at_server, at_proxy = _same(client, url, server, between)
    assert len(at_server) == 2
    first = b"CONNECT localhost:%d " if secure else b"POST http://localhost:%d/v1/x "
    assert at_proxy[0].startswith(first % server.port)
    assert len(at_proxy) == (1 if secure else 2)


@pytest.mark.parametrize("through", [False, True], ids=["direct", "proxy"])
def test_with_the_clients_certificate(
    library: Any, places: ExitStack, certificates: Certificates, through: bool
) -> None:
    server = places.enter_context(origin(certificates.for_server(client_required=True)))
    between = places.enter_context(proxy())
    client = library.Client(
        verify=certificates.for_client(shown=True),
        proxy=f"http://127.0.0.1:{between.port}" if through else None,
    )
    url = f"https://127.0.0.1:{server.port}/v1"
    seen, at_proxy = _same(client, url, server, between)
    assert len(seen) == 2
    assert len(at_proxy) == through
    without = Way(context=certificates.for_client())
    with pytest.raises(TransportError):
        asyncio.run(_post(url, (), without))


@pytest.mark.parametrize("upper", [False, True], ids=["lower", "upper"])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_proxy_from_the_environment(
    library: Any,
    places: ExitStack,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    upper: bool,
    secure: bool,
) -> None:
    server = places.enter_context(origin(certificates.for_server() if secure else None))
    between = places.enter_context(proxy())
    name = "https_proxy" if secure else "http_proxy"
    address = f"http://user:pass@127.0.0.1:{between.port}"
    monkeypatch.setenv(name.upper() if upper else name, address)
    monkeypatch.setenv("NO_PROXY" if upper else "no_proxy", "127.0.0.1")
    options = {"verify": certificates.for_client()}
    where = f"http{'s' * secure}://localhost:{server.port}/v1"
    _, at_proxy = _same(library.Client(**options), where, server, between)
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNz" in at_proxy[0]
    _, at_proxy = _same(
        library.Client(**options), where.replace("localhost", "127.0.0.1"), server, between
    )
    assert not at_proxy
    _, at_proxy = _same(library.Client(trust_env=False, **options), where, server, between)
    assert not at_proxy


def test_a_proxy_that_refuses_to_connect(library: Any, places: ExitStack) -> None:
    between = places.enter_context(proxy(refuses=b"407 Proxy Authentication Required"))
    with library.Client(proxy=f"http://a:secret@127.0.0.1:{between.port}") as client:
        with pytest.raises(library.ProxyError) as theirs:
            client.post("https://localhost:9/v1", content=BODY)
        way = way_of(client, "https://localhost:9/v1")
    assert isinstance(way, Way)
    with pytest.raises(ProxyError) as ours:
        asyncio.run(_post("https://localhost:9/v1", (), way))
    assert str(ours.value) == str(theirs.value) == "407 Proxy Authentication Required"
    assert between.ended.acquire(timeout=30)


def test_a_proxy_that_refuses_a_plain_request_answers_it(library: Any, places: ExitStack) -> None:
    between = places.enter_context(proxy(refuses=b"407 Proxy Authentication Required"))
    _same(
        library.Client(proxy=f"http://127.0.0.1:{between.port}"), "http://localhost:9/v1", between
    )


def test_nothing_shows_what_a_proxy_is_told() -> None:
    way = Way(Proxy("http://127.0.0.1:9", ((b"Proxy-Authorization", b"Basic c2VjcmV0"),)))
    assert "c2VjcmV0" not in repr(way)
    with pytest.raises(ConnectError) as error:
        asyncio.run(_post("ftp://user:secret@127.0.0.1/v1", (), DIRECT))
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("line_break", [b"\r\n", b"\n", b"\r"])
def test_a_line_break_in_a_header_is_refused_without_its_value(line_break: bytes) -> None:
    headers = [(b"Fine", b"1"), (b"X-Key", b"secret" + line_break + b"X-Injected: 1")]
    with pytest.raises(ValueError, match="X-Key") as error:
        asyncio.run(_post("http://127.0.0.1:9/v1", headers, DIRECT))
    assert "secret" not in str(error.value)


def test_socket_options_of_the_client_are_set(library: Any, places: ExitStack) -> None:
    server = places.enter_context(origin())
    url = f"http://127.0.0.1:{server.port}/v1"
    option = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    transport = library.HTTPTransport(socket_options=[option])
    with library.Client(transport=transport) as client:
        way = way_of(client, url)
    assert way == Way(options=(option,))
    assert isinstance(way, Way)
    assert asyncio.run(_post(url, (), way)) == [200]
    wrong = Way(options=((socket.SOL_SOCKET, -1, 1),))
    with pytest.raises(ConnectError):
        asyncio.run(_post(url, (), wrong))


async def _cancelled(url: str, way: Way, at: Callable[[], bool]) -> None:
    connections = Connections(tls_context)
    headers = [(b"Host", b"x")]
    task = asyncio.create_task(connections.post(url, headers, BODY, {"read": None}, way))
    async with asyncio.timeout(30):
        while not at():
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("scheme", "after"),
    [
        ("https", b""),  # The proxy never answers the CONNECT.
        ("https", b"HTTP/1.1 200 OK\r\n\r\n"),  # There is a tunnel; nobody speaks TLS at its end.
        ("http", b"HTTP/1.1 200 OK\r\n"),  # The head of the reply has no end.
    ],
    ids=["connect", "handshake", "head"],
)
def test_cancelling_closes_the_socket(places: ExitStack, scheme: str, after: bytes) -> None:
    between = places.enter_context(silent(after))
    way = Way(Proxy(f"http://127.0.0.1:{between.port}"))
    parts = 2 if after.endswith(b"\r\n\r\n") else 1
    asyncio.run(_cancelled(f"{scheme}://localhost:9/v1", way, lambda: len(between.seen) >= parts))
    assert between.ended.acquire(timeout=30)


def test_cancelling_a_handshake_closes_the_socket(places: ExitStack) -> None:
    server = places.enter_context(silent())
    url = f"https://127.0.0.1:{server.port}/v1"
    asyncio.run(_cancelled(url, DIRECT, lambda: bool(server.seen)))
    assert server.ended.acquire(timeout=30)


def test_a_handshake_that_takes_too_long_is_a_connection_not_made_in_time(
    places: ExitStack,
) -> None:
    server = places.enter_context(silent())
    url = f"https://127.0.0.1:{server.port}/v1"
    with pytest.raises(ConnectTimeout):
        asyncio.run(_post(url, (), DIRECT, timeouts={"connect": 0.05}))
    assert server.ended.acquire(timeout=30)


def test_connections_of_one_way_serve_no_other(places: ExitStack) -> None:
    server = places.enter_context(origin())
    between = places.enter_context(proxy())
    url = f"http://127.0.0.1:{server.port}/v1"

    async def main() -> None:
        connections = Connections(tls_context)
        for team in (b"blue", b"red", b"blue"):
            way = Way(Proxy(f"http://127.0.0.1:{between.port}", ((b"X-Team", team),)))
            response = await connections.post(url, (), BODY, {}, way)
            assert [part async for part in response.stream] == [b"{}"]
        await connections.aclose()

    asyncio.run(main())
    assert [b"X-Team: blue" in request for request in between.seen] == [True, False, True]
    assert between.ended.acquire(timeout=30)
    assert between.ended.acquire(timeout=30)
    assert not between.ended.acquire(timeout=0.05)


@pytest.mark.parametrize("tls_proxy", [False, True], ids=["over-http", "over-https"])
def test_cancelling_at_any_moment_leaves_no_socket(
    places: ExitStack, certificates: Certificates, tls_proxy: bool
) -> None:
    """From before the first packet to after the reply: to the proxy, in CONNECT, in handshakes."""
    server = places.enter_context(origin(certificates.for_server()))
    between = places.enter_context(proxy(certificates.for_server() if tls_proxy else None))
    context = certificates.for_client()
    url = f"https://localhost:{server.port}/v1"
    way = Way(Proxy(f"http{'s' * tls_proxy}://127.0.0.1:{between.port}", (), context), context)

    async def main() -> None:
        connections = Connections(tls_context)
        loop = asyncio.get_running_loop()
        started = loop.time()
        await (await connections.post(url, (), BODY, {}, way)).stream.aclose()
        whole = loop.time() - started
        cancelled = 0
        for turn in range(40):
            task = asyncio.create_task(connections.post(url, (), BODY, {}, way))
            loop.call_later(whole * turn / 30, task.cancel)
            try:
                await (await task).stream.aclose()
            except asyncio.CancelledError:
                cancelled += 1
        assert cancelled
        async with asyncio.timeout(30):
            while connections._open:
                await asyncio.sleep(0)

    asyncio.run(main())

    for listener in (server, between):
        for _ in range(listener.opened):
            assert listener.ended.acquire(timeout=30)


def test_what_idles_on_a_way_that_is_not_gone_again_is_closed(
    places: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = places.enter_context(origin())
    url = f"http://127.0.0.1:{server.port}/v1"
    contexts = [ssl.create_default_context() for _ in range(3)]
    gone = [weakref.ref(context) for context in contexts]

    async def main() -> None:
        connections = Connections(tls_context)
        for _ in range(3):
            # As a client that is made anew for each call.
            way = Way(context=contexts.pop())
            response = await connections.post(url, (), BODY, {}, way)
            assert [part async for part in response.stream] == [b"{}"]
            del way, response
        assert not server.ended.acquire(timeout=0.05)
        monkeypatch.setattr(module, "_KEEP_ALIVE_SECONDS", 0.0)
        response = await connections.post(url, (), BODY, {})
        assert [part async for part in response.stream] == [b"{}"]
        for _ in range(3):
            assert await asyncio.to_thread(server.ended.acquire, timeout=5)
        gc.collect()
        assert [context() for context in gone] == [None, None, None]
        await connections.aclose()

    asyncio.run(main())

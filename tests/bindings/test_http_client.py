"""How the requests of HTTP clients leave, and which cannot be made ahead."""

import functools
import gc
import importlib
import ssl
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import wrapt

from ayo_bridge.bindings import http_client
from ayo_bridge.bindings.http_client import transport_way, way_of
from ayo_bridge.engines.openai_http.way import DIRECT, Proxy, Way

URL = "http://127.0.0.1:8000/v1"
SECURE = "https://example.com/v1"


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return pytest.importorskip(request.param)


@pytest.fixture
def closing() -> Iterator[list[Any]]:
    clients: list[Any] = []
    yield clients
    for client in clients:
        client.close()


def test_clients_as_the_libraries_make_them_go_straight(library: Any, closing: list[Any]) -> None:
    closing.append(library.Client(base_url=URL))
    assert way_of(closing[0], URL) == DIRECT
    assert way_of(library.AsyncClient(), URL) == DIRECT


def test_clients_of_the_sdks_go_straight(closing: list[Any]) -> None:
    closing.append(openai.OpenAI(base_url=URL, api_key="x"))
    way = way_of(closing[0]._client, URL)
    assert isinstance(way, Way)
    assert way.proxy is None
    assert way == way_of(openai.AsyncOpenAI(base_url=URL, api_key="x")._client, URL)


def test_socket_options_as_langchain_sets_them_are_taken_over(closing: list[Any]) -> None:
    utils = pytest.importorskip("langchain_openai.chat_models._client_utils")
    options = utils._default_socket_options()
    closing.append(utils._build_sync_httpx_client(URL, None, options))
    way = way_of(closing[0], URL)
    assert way == Way(options=tuple(options))
    assert way_of(utils._build_async_httpx_client(URL, None, options), URL) == way


def test_to_https_the_clients_own_context_is_taken_over(library: Any, closing: list[Any]) -> None:
    context = ssl.create_default_context()
    closing.append(library.Client(verify=context))
    assert way_of(closing[0], URL) == DIRECT
    way = way_of(closing[0], SECURE)
    assert isinstance(way, Way)
    assert way.context is context
    closing.append(library.Client())
    other = way_of(closing[1], SECURE)
    assert other != way
    assert other is way_of(closing[1], SECURE)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (lambda lib: {"event_hooks": {"request": [print]}}, "event hooks"),
        (lambda lib: {"auth": ("user", "secret")}, "authentication"),
        (lambda lib: {"transport": lib.MockTransport(lambda r: None)}, "MockTransport"),
        (lambda lib: {"mounts": {"http://": lib.MockTransport(print)}}, "MockTransport"),
        (lambda lib: {"transport": lib.HTTPTransport(uds="/tmp/x")}, "Unix socket"),
        (lambda lib: {"transport": lib.HTTPTransport(retries=1)}, "retries"),
        (lambda lib: {"transport": lib.HTTPTransport(local_address="127.0.0.1")}, "local address"),
        (lambda lib: {"transport": _pooled(lib, _speaking_http2(lib))}, "HTTP/2"),
        (lambda lib: {"limits": lib.Limits(max_connections=4)}, "limited to 4"),
        (lambda lib: {"transport": _pooled(lib, object())}, "pool of its own, object"),
        (lambda lib: {"transport": _pooled(lib, _socks(lib))}, "SOCKS"),
        (lambda lib: {"transport": _pooled(lib, _of_another_version(lib))}, "no _retries"),
    ],
)
def test_a_client_with_something_of_its_own_is_left_alone(
    library: Any, closing: list[Any], options: Any, reason: str
) -> None:
    closing.append(library.Client(**options(library)))
    assert reason in str(way_of(closing[0], URL))


@pytest.mark.parametrize("place", ["transport", "pool"])
def test_what_a_test_has_put_in_the_place_of_a_method_is_not_gone_round(
    library: Any, closing: list[Any], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing += [library.Client(base_url=URL)]
    assert way_of(closing[0], URL) == DIRECT
    owner = library.HTTPTransport if place == "transport" else _core(library).ConnectionPool
    original = owner.handle_request
    monkeypatch.setattr(owner, "handle_request", wrapt.FunctionWrapper(original, _tracing))
    assert way_of(closing[0], URL) == DIRECT
    monkeypatch.setattr(owner, "handle_request", _played_back(original))
    assert "has been replaced" in str(way_of(closing[0], URL))
    monkeypatch.setattr(owner, "handle_request", lambda *args: None)
    assert "has been replaced" in str(way_of(closing[0], URL))


def test_what_a_test_has_put_in_the_place_of_sending_is_not_gone_round(
    library: Any, closing: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    closing += [library.Client(base_url=URL)]
    client, cls = closing[0], library.Client
    send = cls.send
    for tracing in (wrapt.FunctionWrapper(send, _tracing), _played_back(send)):
        monkeypatch.setattr(cls, "send", tracing)
        assert way_of(client, URL) == DIRECT
    monkeypatch.setattr(cls, "send", lambda *args, **kwargs: None)
    assert "send of the HTTP client has been replaced" in str(way_of(client, URL))
    monkeypatch.setattr(cls, "send", send)
    monkeypatch.setattr(cls, "_send_single_request", _played_back(cls._send_single_request))
    assert "_send_single_request of the HTTP client" in str(way_of(client, URL))
    monkeypatch.undo()
    assert way_of(client, URL) == DIRECT
    monkeypatch.setattr(client, "send", print)
    assert "send of the HTTP client has been replaced" in str(way_of(client, URL))


def _tracing(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


def _played_back(original: Any) -> Any:
    """As vcrpy wraps: what it has recorded never reaches the original."""

    @functools.wraps(original)
    def played(*args: Any, **kwargs: Any) -> Any:
        raise LookupError("it is not in the cassette")

    return played


def _pooled(library: Any, pool: Any) -> Any:
    transport = library.HTTPTransport()
    transport.close = lambda: None
    transport._pool = pool
    return transport


def _core(library: Any) -> Any:
    return importlib.import_module(library.__name__.replace("httpx", "httpcore"))


def _socks(library: Any) -> Any:
    cls = _core(library).SOCKSProxy
    return cls.__new__(cls)  # Without socksio it cannot be initialised.


def _speaking_http2(library: Any) -> Any:
    pool = _core(library).ConnectionPool(max_connections=100)
    pool._http2 = True  # Making it so needs h2.
    return pool


def _of_another_version(library: Any) -> Any:
    pool = _core(library).ConnectionPool(max_connections=100)
    del pool._retries
    return pool


def test_a_subclass_that_overrides_sending_is_left_alone(library: Any, closing: list[Any]) -> None:
    class Mine(library.Client):  # type: ignore[misc]
        def send(self, *args: Any, **kwargs: Any) -> Any:
            return super().send(*args, **kwargs)

    closing.append(Mine())
    assert "overrides send" in str(way_of(closing[0], URL))


def test_the_transport_that_applies_to_the_address_decides(
    library: Any, closing: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    closing.append(library.Client())
    assert way_of(closing[0], URL) == DIRECT
    way = way_of(closing[0], "http://example.com/v1")
    assert isinstance(way, Way)
    header = (b"Proxy-Authorization", b"Basic dXNlcjpzZWNyZXQ=")
    assert way == Way(Proxy("http://127.0.0.1:9", (header,)))
    assert "secret" not in repr(way)
    assert "dXNlcjpzZWNyZXQ" not in repr(way)
    assert way == way_of(library.AsyncClient(), "http://example.com/v1")
    assert way == transport_way(
        closing[0]._transport_for_url(library.URL("http://example.com")), False
    )


def test_a_pool_with_a_proxy_of_httpcores_is_read(library: Any, closing: list[Any]) -> None:
    core = _core(library)
    pool = core.ConnectionPool(
        proxy=core.Proxy("https://[::1]", auth=("a", "b")), max_connections=100
    )
    closing.append(library.Client(transport=_pooled(library, pool)))
    way = way_of(closing[0], SECURE)
    assert isinstance(way, Way)
    assert way.proxy is not None
    assert way.proxy.url == "https://[::1]:443"
    assert way.proxy.headers == ((b"Proxy-Authorization", b"Basic YTpi"),)
    assert isinstance(way.proxy.context, ssl.SSLContext)
    assert isinstance(way.context, ssl.SSLContext)


def test_a_way_is_remembered_only_as_long_as_its_pool(library: Any) -> None:
    before = len(http_client._ways)
    with library.Client() as client:
        way_of(client, URL)
        assert len(http_client._ways) == before + 1
    del client
    gc.collect()
    assert len(http_client._ways) <= before


def test_what_is_no_client_is_left_alone() -> None:
    assert "not an httpx client" in str(way_of(object(), URL))


def test_the_core_names_only_what_the_libraries_have(library: Any) -> None:
    name = library.__name__
    assert importlib.import_module(name).HTTPTransport.handle_request
    assert importlib.import_module(name).AsyncHTTPTransport.handle_async_request

"""Which HTTP clients' requests may be made ahead."""

import importlib
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from ayo_bridge.bindings.http_client import way_of
from ayo_bridge.engines.openai_http.way import DIRECT, Proxy, Way

URL = "http://127.0.0.1:8000/v1"


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


def test_clients_as_the_libraries_make_them_are_plain(library: Any, closing: list[Any]) -> None:
    closing.append(library.Client(base_url=URL))
    assert way_of(closing[0], URL) == DIRECT
    assert way_of(library.AsyncClient(), URL) == DIRECT


def test_clients_of_the_sdks_are_plain(closing: list[Any]) -> None:
    closing.append(openai.OpenAI(base_url=URL, api_key="x"))
    assert way_of(closing[0]._client, URL) == DIRECT
    assert way_of(openai.AsyncOpenAI(base_url=URL, api_key="x")._client, URL) == DIRECT
    closing.append(openai.OpenAI(base_url="https://example.com/v1", api_key="x"))
    way = way_of(closing[1]._client, "https://example.com/v1")
    assert way == Way(context=closing[1]._client._transport._pool._ssl_context)


def test_clients_of_langchain_with_their_socket_options_are_plain(closing: list[Any]) -> None:
    utils = pytest.importorskip("langchain_openai.chat_models._client_utils")
    options = utils._default_socket_options()
    closing.append(utils._build_sync_httpx_client(URL, None, options))
    assert way_of(closing[0], URL) == DIRECT
    assert way_of(utils._build_async_httpx_client(URL, None, options), URL) == DIRECT


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (lambda lib: {"event_hooks": {"request": [print]}}, "event hooks"),
        (lambda lib: {"auth": ("user", "secret")}, "authentication"),
        (lambda lib: {"mounts": {"http://": lib.MockTransport(print)}}, "MockTransport"),
        (lambda lib: {"transport": lib.HTTPTransport(local_address="127.0.0.1")}, "local address"),
        (lambda lib: {"transport": lib.MockTransport(lambda r: None)}, "MockTransport"),
        (lambda lib: {"transport": lib.HTTPTransport(uds="/tmp/x")}, "Unix socket"),
        (lambda lib: {"limits": lib.Limits(max_connections=4)}, "limited to 4"),
    ],
    ids=["hooks", "auth", "mounts", "address", "mock", "uds", "limits"],
)
def test_a_client_with_something_of_its_own_is_not(
    library: Any, closing: list[Any], options: Any, reason: str
) -> None:
    closing.append(library.Client(**options(library)))
    assert reason in str(way_of(closing[0], URL))


def test_a_subclass_that_overrides_sending_is_not(library: Any, closing: list[Any]) -> None:
    class Mine(library.Client):  # type: ignore[misc]
        def send(self, *args: Any, **kwargs: Any) -> Any:
            return super().send(*args, **kwargs)

    closing.append(Mine())
    assert "overrides send" in str(way_of(closing[0], URL))


def test_a_proxy_is_for_the_addresses_that_it_is_for(
    library: Any, closing: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    closing.append(library.Client())
    assert way_of(closing[0], URL) == DIRECT
    assert way_of(closing[0], "http://example.com/v1") == Way(Proxy("http://127.0.0.1:9"))


def test_what_is_said_to_a_proxy_is_not_printed(library: Any, closing: list[Any]) -> None:
    closing.append(library.Client(proxy="http://user:s3cret@127.0.0.1:9"))
    way = way_of(closing[0], "https://example.com")
    assert isinstance(way, Way)
    assert way.proxy is not None
    assert way.proxy.headers[0][0].lower() == b"proxy-authorization"
    assert "s3cret" not in repr(way)
    assert "czNjcmV0" not in repr(way)


def test_what_is_no_client_is_not() -> None:
    assert "not an httpx client" in str(way_of(object(), URL))


def test_the_core_names_only_what_the_libraries_have(library: Any) -> None:
    name = library.__name__
    assert importlib.import_module(name).HTTPTransport.handle_request
    assert importlib.import_module(name).AsyncHTTPTransport.handle_async_request

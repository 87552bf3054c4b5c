"""Which HTTP clients' requests may be made ahead."""

import importlib
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from ayo_bridge.bindings.http_client import is_plain_client

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
    assert is_plain_client(closing[0]) is None
    assert is_plain_client(library.AsyncClient()) is None


def test_clients_of_the_sdks_are_plain(closing: list[Any]) -> None:
    closing.append(openai.OpenAI(base_url=URL, api_key="x"))
    assert is_plain_client(closing[0]._client) is None
    assert is_plain_client(openai.AsyncOpenAI(base_url=URL, api_key="x")._client) is None
    closing.append(openai.OpenAI(base_url="https://example.com/v1", api_key="x"))
    assert is_plain_client(closing[1]._client) is None


def test_clients_of_langchain_with_their_socket_options_are_plain(closing: list[Any]) -> None:
    utils = pytest.importorskip("langchain_openai.chat_models._client_utils")
    options = utils._default_socket_options()
    closing.append(utils._build_sync_httpx_client(URL, None, options))
    assert is_plain_client(closing[0]) is None
    assert is_plain_client(utils._build_async_httpx_client(URL, None, options)) is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (lambda lib: {"event_hooks": {"request": [print]}}, "event hooks"),
        (lambda lib: {"auth": ("user", "secret")}, "authentication"),
        (lambda lib: {"proxy": "http://127.0.0.1:9"}, "mounts or proxies"),
        (lambda lib: {"mounts": {"http://": lib.HTTPTransport()}}, "mounts or proxies"),
        (lambda lib: {"transport": lib.MockTransport(lambda r: None)}, "MockTransport"),
        (lambda lib: {"transport": lib.HTTPTransport(uds="/tmp/x")}, "Unix socket"),
        (lambda lib: {"limits": lib.Limits(max_connections=4)}, "limited to 4"),
        (lambda lib: {"base_url": "https://example.com"}, "TLS"),
    ],
    ids=["hooks", "auth", "proxy", "mounts", "mock", "uds", "limits", "tls"],
)
def test_a_client_with_something_of_its_own_is_not(
    library: Any, closing: list[Any], options: Any, reason: str
) -> None:
    closing.append(library.Client(**options(library)))
    assert reason in str(is_plain_client(closing[0]))


def test_a_subclass_that_overrides_sending_is_not(library: Any, closing: list[Any]) -> None:
    class Mine(library.Client):  # type: ignore[misc]
        def send(self, *args: Any, **kwargs: Any) -> Any:
            return super().send(*args, **kwargs)

    closing.append(Mine())
    assert "overrides send" in str(is_plain_client(closing[0]))


def test_a_proxy_for_other_addresses_is_no_reason(
    library: Any, closing: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    closing.append(library.Client())
    assert is_plain_client(closing[0], URL) is None
    assert "proxy" in str(is_plain_client(closing[0], "http://example.com/v1"))


def test_what_is_no_client_is_not() -> None:
    assert "not an httpx client" in str(is_plain_client(object()))


def test_the_core_names_only_what_the_libraries_have(library: Any) -> None:
    name = library.__name__
    assert importlib.import_module(name).HTTPTransport.handle_request
    assert importlib.import_module(name).AsyncHTTPTransport.handle_async_request

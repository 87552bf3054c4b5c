"""The ways in which users set up their models, for LlamaIndex and for LangChain."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import httpx
import openai

from tests.stub_openai import faults
from tests.wire.sending import KEY, Setting, World


class CountedAuth(httpx.Auth):
    """A user's own way to sign requests."""

    def __init__(self, world: World) -> None:
        self.world_of = world

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self.world_of.counts["signed"] += 1
        request.headers["X-Signed"] = "by the user"
        yield request


def _http(world: World, **options: Any) -> tuple[httpx.Client, httpx.AsyncClient]:
    return httpx.Client(**options), httpx.AsyncClient(**options)


def _hooked(world: World) -> tuple[httpx.Client, httpx.AsyncClient]:
    def seen(_: Any) -> None:
        world.counts["hook"] += 1

    async def aseen(_: Any) -> None:
        world.counts["hook"] += 1

    return (
        httpx.Client(event_hooks={"request": [seen], "response": [seen]}),
        httpx.AsyncClient(event_hooks={"request": [aseen], "response": [aseen]}),
    )


def _signing(world: World) -> tuple[httpx.Client, httpx.AsyncClient]:
    return _http(world, auth=CountedAuth(world))


def _own(**options: Any) -> Callable[[World], tuple[httpx.Client, httpx.AsyncClient]]:
    return lambda world: _http(world, **options)


HTTP_CLIENTS: Mapping[str, Callable[[World], tuple[httpx.Client, httpx.AsyncClient]]] = {
    "http client": _own(),
    "http client with headers": _own(headers={"X-Of-The-Client": "yes", "User-Agent": "mine/1"}),
    "http client with cookies": _own(cookies={"session": "of-the-client"}),
    "http client with params": _own(params={"version": "7"}),
    "http client with hooks": _hooked,
    "http client with basic auth": _own(auth=("alice", "wonder")),
    "http client with auth of its own": _signing,
    "http client without environment": _own(trust_env=False),
    "http client with a proxy": lambda world: _http(world, proxy=world.other.root_url),
    "http client with a small pool": _own(limits=httpx.Limits(max_connections=2)),
    "http client with another transport": lambda world: (
        httpx.Client(transport=httpx.HTTPTransport(retries=1)),
        httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=1)),
    ),
}
_DEFAULT_HEADERS: Mapping[str, Mapping[str, str]] = {
    "default headers": {"X-Tenant": "a", "x-b": "2"},
    "a user agent": {"User-Agent": "mine/1"},
    "a key in the headers": {"authorization": "Bearer other"},
}
_PROXY = "http://proxied:pass-of-proxy@{other}"
_ENVIRONMENTS: Mapping[str, Mapping[str, str]] = {
    "HTTP_PROXY": {"HTTP_PROXY": "http://{other}"},
    "http_proxy": {"http_proxy": "http://{other}"},
    "a proxy with a password": {"HTTP_PROXY": _PROXY},
    "ALL_PROXY": {"ALL_PROXY": "http://{other}"},
    "NO_PROXY": {"HTTP_PROXY": "http://{other}", "NO_PROXY": "127.0.0.1"},
    "no_proxy": {"http_proxy": "http://{other}", "no_proxy": "localhost,127.0.0.1"},
    "NO_PROXY of others": {"HTTP_PROXY": "http://{other}", "NO_PROXY": "example.org"},
    "organisation and project": {"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1"},
}


def _user_info(world: World) -> str:
    return world.server.base_url.replace("http://", "http://alice:s3cret@")


def _refusing(world: World) -> None:
    """Nobody comes here but through the proxy."""
    faults.every(status=403)(world.server)


def _keeping_sessions(world: World) -> None:
    world.server.extra_headers.append(("set-cookie", "session=of-the-server; Path=/"))


def _demanding_sessions(world: World) -> None:
    faults.session(world.server)


# LlamaIndex.


def _like(**options: Any) -> Callable[[World], Any]:
    return lambda world: world.like(**options)


def _like_http(made: Callable[[World], Any]) -> Callable[[World], Any]:
    def model(world: World) -> Any:
        one, two = made(world)
        return world.like(http_client=one, async_http_client=two)

    return model


def _like_sdk(hooks: bool = False, **options: Any) -> Callable[[World], Any]:
    """With SDK clients of the user's own, whose key and headers are what counts."""

    def model(world: World) -> Any:
        given = {"base_url": world.server.base_url, "api_key": KEY, "max_retries": 0, **options}
        one, two = _hooked(world) if hooks else _http(world)
        return world.like(
            api_key="of the model",
            openai_client=openai.OpenAI(http_client=one, **given),
            async_openai_client=openai.AsyncOpenAI(http_client=two, **given),
        )

    return model


def _set(**fields: Any) -> Callable[[World, Any], None]:
    def change(world: World, model: Any) -> None:
        for name, value in fields.items():
            setattr(model, name, value)

    return change


def _move(world: World, model: Any) -> None:
    model.api_base = world.other.base_url


_KEYS = {"api_key": "sk-second"}
_HEADERS = {"default_headers": {"X-Tenant": "b"}}
_CHANGES: Sequence[Setting] = [
    setting
    for reuse in (True, False)
    for setting in (
        Setting(f"reuse {reuse}", _like(reuse_client=reuse)),
        Setting(f"key changed, reuse {reuse}", _like(reuse_client=reuse), change=_set(**_KEYS)),
        Setting(f"base changed, reuse {reuse}", _like(reuse_client=reuse), change=_move),
        Setting(
            f"headers changed, reuse {reuse}",
            _like(reuse_client=reuse, default_headers={"X-Tenant": "a"}),
            change=_set(**_HEADERS),
        ),
    )
]
LLAMA_INDEX: Sequence[Setting] = [
    *(Setting(name, _like(), environment) for name, environment in _ENVIRONMENTS.items()),
    Setting("a proxy that must be used", _like(), _ENVIRONMENTS["HTTP_PROXY"], lay=_refusing),
    *(Setting(name, _like(default_headers=value)) for name, value in _DEFAULT_HEADERS.items()),
    *(Setting(name, _like_http(made)) for name, made in HTTP_CLIENTS.items()),
    Setting("user info", lambda world: world.like(api_base=_user_info(world))),
    Setting("SDK client", _like_sdk()),
    Setting("SDK client with headers", _like_sdk(default_headers={"X-Tenant": "t1"})),
    Setting("SDK client with query", _like_sdk(default_query={"version": "7"})),
    Setting("SDK client with tenancy", _like_sdk(organization="org-2", project="proj-2")),
    Setting("SDK client with hooks", _like_sdk(hooks=True)),
    Setting("cookies of the server", _like(), lay=_keeping_sessions, skip_first=True),
    Setting("cookies that must be sent", _like(), lay=_demanding_sessions, skip_first=True),
    *_CHANGES,
]


# LangChain.


def _chat(**options: Any) -> Callable[[World], Any]:
    return lambda world: world.chat(**options)


def _chat_http(made: Callable[[World], Any]) -> Callable[[World], Any]:
    def model(world: World) -> Any:
        one, two = made(world)
        return world.chat(http_client=one, http_async_client=two)

    return model


def _counted_key(world: World) -> Any:
    def key() -> str:
        world.counts["key"] += 1
        return f"{KEY}-{world.counts['key'] > 0}"

    async def akey() -> str:
        return key()

    return world.chat(api_key=akey if world.concurrent else key)


LANGCHAIN: Sequence[Setting] = [
    *(Setting(name, _chat(), environment) for name, environment in _ENVIRONMENTS.items()),
    Setting("a proxy that must be used", _chat(), _ENVIRONMENTS["HTTP_PROXY"], lay=_refusing),
    *(Setting(name, _chat(default_headers=value)) for name, value in _DEFAULT_HEADERS.items()),
    *(Setting(name, _chat_http(made)) for name, made in HTTP_CLIENTS.items()),
    Setting("user info", lambda world: world.chat(base_url=_user_info(world))),
    Setting("organisation", _chat(organization="org-3")),
    Setting("default query", _chat(default_query={"version": "7"})),
    Setting("openai_proxy", lambda world: world.chat(openai_proxy=world.other.root_url)),
    Setting("extra body", _chat(extra_body={"top_k": 5})),
    Setting("a key that is a function", _counted_key),
    Setting("cookies of the server", _chat(), lay=_keeping_sessions, skip_first=True),
    Setting("cookies that must be sent", _chat(), lay=_demanding_sessions, skip_first=True),
]

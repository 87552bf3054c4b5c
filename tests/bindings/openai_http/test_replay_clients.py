"""Cookies, hooks, transports and keys of the original's own client stay in force.

Uses the `openai` package and the core alone; tests/openai3 runs it against openai 3, too.
"""

import sys
from typing import Any

from ayo_bridge.seam import Outcome, entered
from tests.bindings.openai_http.harness import CHAT, World, outcomes


def library_of(client: Any) -> Any:
    """httpx or httpx2: what this SDK is built on."""
    for cls in type(client._client).__mro__:
        root = cls.__module__.partition(".")[0]
        if root in ("httpx", "httpx2"):
            return sys.modules[root]
    raise AssertionError("no HTTP library")


def test_cookies_of_a_replayed_reply_reach_the_client(world: World) -> None:
    world.stub.extra_headers = [("set-cookie", "route=7; Path=/"), ("set-cookie", "b=2; Path=/")]
    client = world.client()
    with world.ahead(world.call(**CHAT)):
        client.chat.completions.create(**CHAT)

    assert dict(client._client.cookies) == {"route": "7", "b": "2"}


def test_a_redirect_is_left_to_the_client(world: World) -> None:
    world.stub.reply_when(
        lambda request: request.path == "/v1/chat/completions",
        status=307,
        content=b"",
        headers=[("location", "/elsewhere/chat/completions")],
    )
    with world.ahead(world.call(**CHAT)):
        reply = world.client().chat.completions.create(**CHAT)

    assert reply.choices[0].finish_reason == "stop"
    assert [r.path for r in world.stub.calls] == [
        "/v1/chat/completions",
        "/v1/chat/completions",
        "/elsewhere/chat/completions",
    ]


def test_hooks_of_a_custom_client_see_each_request_once(world: World) -> None:
    library = library_of(world.client())
    seen: list[str] = []
    hooks = {
        "request": [lambda request: seen.append("request")],
        "response": [lambda response: seen.append("response")],
    }
    with library.Client(event_hooks=hooks) as http_client, world.ahead() as scope:
        world.client(http_client=http_client).chat.completions.create(**CHAT)

    assert seen == ["request", "response"]
    assert outcomes(scope) == [Outcome.DIRECT]


def test_requests_of_a_custom_transport_are_only_noted(world: World) -> None:
    library = library_of(world.client())
    seen: list[str] = []

    class Custom(library.HTTPTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            seen.append(str(request.url))
            return super().handle_request(request)

    with (
        library.Client(transport=Custom()) as http_client,
        world.ahead(world.call(**CHAT)) as scope,
    ):
        world.client(http_client=http_client).chat.completions.create(**CHAT)

    assert len(seen) == 1
    assert outcomes(scope) == [Outcome.WASTED, Outcome.DIRECT]


def test_without_a_scope_nothing_is_looked_at(world: World) -> None:
    scope = world.scope(world.call(**CHAT))
    world.client().chat.completions.create(**CHAT)
    scope.close()
    with entered(scope):
        world.client().chat.completions.create(**CHAT)

    assert outcomes(scope) == [Outcome.WASTED]


def test_other_authorisation_does_not_match(world: World) -> None:
    with world.ahead(world.call(**CHAT)) as scope:
        world.client().with_options(api_key="sk-other").chat.completions.create(**CHAT)

    assert outcomes(scope) == [Outcome.WASTED, Outcome.DIRECT]


def test_other_endpoints_of_the_server_pass_through(world: World) -> None:
    with world.ahead() as scope:
        assert [model.id for model in world.client().models.list()] == ["stub"]

    assert scope.record.calls == []

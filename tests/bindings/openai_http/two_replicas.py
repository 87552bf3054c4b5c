"""Two replicas, and a client of the OpenAI SDK that knows the address of the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest

from ayo_bridge import LLM, Runtime
from ayo_bridge.bindings.openai_http import register_endpoint, unregister_endpoint
from ayo_bridge.engines.openai_http import OpenAIServer
from ayo_bridge.engines.openai_http.replicas import Replicas
from ayo_bridge.seam import Outcome, entered
from tests.bindings.openai_http.harness import CHAT, ENGINE, World, outcomes
from tests.deadline import eventually
from tests.scopes import open_scope
from tests.stub_openai import StubOpenAI

LONG = "Notes: " + "the river is wide, the reed is tall; " * 40
Make = Callable[..., tuple[World, StubOpenAI]]


@pytest.fixture
def make(bound: None) -> Iterator[Make]:
    """Makes a world with two replicas: the first is the one whose URL the application has."""
    with ExitStack() as stack:

        def made(routing: str = "round_robin", **more: Any) -> tuple[World, StubOpenAI]:
            stubs = [stack.enter_context(StubOpenAI(latency=0.005)) for _ in range(2)]
            urls = [stub.base_url for stub in stubs[: 1 if routing == "external" else 2]]
            runtime = Runtime(engines=[LLM("stub", urls, routing, **more)])
            stack.callback(runtime.close)
            server = OpenAIServer(ENGINE, urls[0])
            runtime.register(server)
            register_endpoint(urls[0], ENGINE)
            stack.callback(unregister_endpoint, urls[0])
            world = World(stubs[0], runtime, server)
            stack.callback(close, world)
            return world, stubs[1]

        yield made


def close(world: World) -> None:
    for client in world.clients:
        client.close()


def replicas_of(world: World) -> Replicas:
    (replicas,) = world.runtime.replicated.all
    return replicas


def ask(world: World, client: openai.OpenAI | None = None, **body: Any) -> Any:
    with entered(open_scope(world.runtime)):
        return (client or world.client()).chat.completions.create(**{**CHAT, **body})


def answers(world: World, *, ahead: bool, client: openai.OpenAI | None = None) -> None:
    """Ask and have an answer, by a request that is made ahead or by the application's own."""
    if not ahead:
        assert ask(world, client).choices
        return
    with world.ahead(world.call(**CHAT)) as scope:
        assert (client or world.client()).chat.completions.create(**CHAT).choices
    assert outcomes(scope) == [Outcome.HIT]


async def ask_async(world: World, client: openai.AsyncOpenAI) -> Any:
    with entered(open_scope(world.runtime)):
        return await client.chat.completions.create(**CHAT)


def leave(stub: StubOpenAI) -> None:
    """Have a server drop all connections and listen no more."""
    stub.loop.call_soon_threadsafe(stub._restart, 600.0)
    eventually(lambda: stub.away, "the server leaves")


def ask_for_stream(world: World) -> Any:
    with entered(open_scope(world.runtime)):
        return world.client().chat.completions.create(**CHAT, stream=True)

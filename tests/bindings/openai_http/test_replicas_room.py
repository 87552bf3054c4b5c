"""The room on replicas: one for all, by whichever of their addresses an application asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ayo_bridge import LLM, Embedding, Runtime
from ayo_bridge.bindings.openai_http import register_endpoint, unregister_endpoint
from ayo_bridge.engines.openai_http import OpenAIServer, make_call
from ayo_bridge.graph import Template
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.seam import Call, entered
from tests.bindings.openai_http.harness import CHAT, World
from tests.bindings.openai_http.two_replicas import Make
from tests.deadline import eventually
from tests.scopes import open_scope
from tests.stub_openai import StubOpenAI

HOSTS = ("a:8000", "b:8000", "c:8000", "d:8000")
A, B, C, D = (f"http://{host}/v1" for host in HOSTS)
AT_OTHER = "llm:stub@other"


def rooms(runtime: Runtime) -> int:
    return len({id(runtime.load(host)) for host in HOSTS})


def test_addresses_between_which_requests_are_moved_have_one_room() -> None:
    runtime = Runtime(engines=[LLM("m", [A, B]), Embedding("e", urls=[B, C])])
    assert runtime.load("c:8000") is runtime.load("b:8000") is runtime.load("a:8000")
    assert runtime.load("d:8000") is not runtime.load("a:8000")
    assert list(runtime.loads) == ["a:8000", "d:8000"]
    assert "24 calls ahead" in runtime.load("b:8000").description


def test_a_server_that_is_added_to_others_has_their_room() -> None:
    runtime = Runtime(engines=[LLM("m", [A, B]), LLM("other", [C, D])])
    assert rooms(runtime) == 2
    theirs = runtime.load("b:8000")
    runtime.change(LLM("m", [A, B, C]))
    assert {id(runtime.load(host)) for host in HOSTS} == {id(theirs)}
    assert list(runtime.loads) == ["a:8000"]
    assert "32 calls ahead" in theirs.description
    runtime.change(LLM("m", [B]))  # What is made for those that are gone goes there, too.
    assert rooms(runtime) == 1
    assert "24 calls ahead" in theirs.description


def test_a_server_that_was_asked_before_any_other_of_its_replicas_keeps_what_is_known() -> None:
    runtime = Runtime(engines=[LLM("m", [A, B])])
    alone = runtime.load("c:8000")
    runtime.change(LLM("m", [A, B, C]))
    assert runtime.load("a:8000") is runtime.load("c:8000") is alone
    assert list(runtime.loads) == ["a:8000"]


@pytest.fixture
def one_each(make: Make) -> tuple[World, StubOpenAI, Call, Call]:
    """Two replicas that answer late, room for one call ahead, and one made for each address."""
    world, other = make()
    world.stub.latency = other.latency = 30.0
    world.runtime.max_ahead = 1
    world.runtime.register(OpenAIServer(AT_OTHER, other.base_url))
    theirs = replace(world.request(), url=f"{other.base_url}/chat/completions")
    return world, other, world.call(), make_call(AT_OTHER, theirs)


def asked(*stubs: StubOpenAI) -> int:
    return sum(len(stub.calls) for stub in stubs)


def test_calls_ahead_by_two_addresses_share_the_room(
    one_each: tuple[World, StubOpenAI, Call, Call],
) -> None:
    world, other, mine, theirs = one_each
    first, second = world.scope(mine), world.scope(theirs)
    load = world.runtime.load(world.server.server)
    assert (load.ahead, load.held) == (1, True)
    eventually(lambda: asked(world.stub, other) == 1, "the first is sent")
    first.close()
    eventually(lambda: asked(world.stub, other) == 2, "the second is sent then")
    second.close()
    eventually(lambda: load.ahead == 0, "nothing is ahead any more")


def test_what_fails_at_one_address_stops_nothing_at_another(
    one_each: tuple[World, StubOpenAI, Call, Call],
) -> None:
    world, other, mine, theirs = one_each
    scope = world.scope(mine, theirs)
    eventually(lambda: asked(world.stub, other) == 1, "the first is sent")
    scope.stumbled(world.server.server)
    eventually(lambda: asked(world.stub, other) == 2, "the second is sent all the same")
    scope.close()


def test_an_object_that_asks_by_two_addresses_shows_one_room(make: Make) -> None:
    world, other = make()
    world.runtime.register(OpenAIServer(AT_OTHER, other.base_url))
    client = world.client()
    state = AcceleratedState("test", "Test", world.runtime, Template(()), lambda: None)
    with entered(scope := open_scope(world.runtime)):
        client.chat.completions.create(**CHAT)
        register_endpoint(other.base_url, AT_OTHER)
        client.with_options(base_url=other.base_url).chat.completions.create(**CHAT)
        unregister_endpoint(other.base_url)
    scope.close()
    state.note(scope.record)
    assert len({row.engine for row in state.totals().primitives.values()}) == 2
    assert list(state.limits().values()) == ["at most 16 calls ahead at 2 servers together"]

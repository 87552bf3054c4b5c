"""What a router is told: which requests belong together, and what is expected of each."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from ayo_bridge.engines.openai_http import Delivery
from ayo_bridge.engines.openai_http.hints import hinted
from ayo_bridge.engines.openai_http.request import make_warm
from ayo_bridge.seam import Outcome
from tests.bindings.openai_http.harness import CHAT, ENGINE, World, outcomes
from tests.bindings.openai_http.two_replicas import LONG, Make, answers, ask, ask_for_stream
from tests.deadline import eventually


def test_a_router_is_told_what_belongs_together(make: Make) -> None:
    world, _ = make("external", session="X-Group")
    for number in range(3):
        begun: Any = [{"role": "user", "content": f"{number}. {LONG}"}]
        whole: Any = [{"role": "user", "content": f"{number}. {LONG} and so?"}]
        with world.ahead(make_warm(ENGINE, world.request(messages=begun))):
            eventually(lambda n=number: len(world.stub.requests) > 2 * n, "the warm")  # type: ignore[misc]
            world.client().chat.completions.create(model="stub", messages=whole)
    groups = [request.headers["x-group"] for request in world.stub.requests]
    assert groups[::2] == groups[1::2]
    assert len(set(groups)) == 3
    ask(world, world.client(default_headers={"X-Group": "mine"}))
    assert world.stub.calls[-1].headers["x-group"] == "mine"


def hints(world: World) -> list[Any]:
    """What each request has said beside OpenAI's fields."""
    said = [
        {**r.body.get("vllm_xargs", {}), **r.body.get("nvext", {})} for r in world.stub.requests
    ]
    return [next(iter(each.values()), None) for each in said]


def test_without_hints_nothing_is_added(make: Make) -> None:
    world, _ = make("external")
    for _ in range(5):
        ask(world)
    assert all(request.body == CHAT for request in world.stub.requests)


def test_what_comes_next_is_learned_from_what_has_come(make: Make) -> None:
    world, _ = make("external", hints="agentic_context")
    for number in range(6):
        for end in ("", " And then, what do the reeds say of the river?" * 4):
            ask(world, messages=[{"role": "user", "content": f"{LONG}{number}. {LONG}{end}"}])
        ask(world, messages=[{"role": "user", "content": f"Alone: {LONG[::-1]} {number}" * 2}])
    *_, begun, _, alone = hints(world)
    assert begun["expected_resume"]
    assert begun["expected_output_tokens"] > 1
    assert 0 < begun["kv_retention_ttl_seconds"] < 30
    assert not alone["expected_resume"]
    assert "kv_retention_ttl_seconds" not in alone


def test_a_warm_says_that_it_is_gone_on_from(make: Make) -> None:
    world, _ = make("external", hints="agentic_context")
    begun: Any = [{"role": "user", "content": LONG}]
    with world.ahead(make_warm(ENGINE, world.request(messages=begun))):
        eventually(lambda: len(world.stub.requests) == 1, "the warm")
    (said,) = hints(world)
    assert (said["expected_output_tokens"], said["expected_resume"]) == (1, True)


@pytest.mark.parametrize("delivery", [Delivery.PLAIN, Delivery.REPLAY_STREAM])
def test_a_request_ahead_says_the_same_and_is_consumed(make: Make, delivery: Delivery) -> None:
    world, _ = make("external", hints="agent_hints")
    stream: dict[str, Any] = {"stream": True} if delivery is Delivery.REPLAY_STREAM else {}
    for _ in range(5):
        list(ask_for_stream(world)) if stream else ask(world)
    with world.ahead(world.call(delivery, **CHAT, **stream)) as scope:
        reply = world.client().chat.completions.create(**CHAT, **stream)
        assert list(reply)
    assert outcomes(scope) == [Outcome.HIT]
    last = world.stub.requests[-1].body
    expected = [None, {"agent_hints": {"osl": 9}}]
    assert last.get("nvext") in expected[bool(not stream) :]
    assert {**last, "nvext": None} == {**CHAT, **stream, "nvext": None}


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("ahead", [False, True])
def test_a_router_that_refuses_hints_is_asked_again_and_told_no_more(
    make: Make, status: int, ahead: bool
) -> None:
    world, _ = make("external", hints="agentic_context")
    world.stub.reply_when(lambda request: "vllm_xargs" in request.body, status=status)
    answers(world, ahead=ahead)
    assert ask(world).choices
    assert [each is not None for each in hints(world)] == [True, False, False]
    (replicas,) = world.runtime.replicated.all
    assert replicas.stayed() == {"the router does not take agentic_context": 1}


def test_a_request_that_is_refused_either_way_is_the_applications_own_fault(make: Make) -> None:
    world, _ = make("external", hints="agentic_context")
    world.stub.reply_when("sky", status=400, times=2)
    with pytest.raises(openai.BadRequestError):
        ask(world)
    assert ask(world).choices
    assert [each is not None for each in hints(world)] == [True, False, True]


def test_what_the_application_says_itself_stays_as_it_is(make: Make) -> None:
    world, _ = make("external", hints="agentic_context")
    own = {"vllm_xargs": {"mine": 1}}
    ask(world, extra_body=own)
    assert world.stub.requests[-1].body == {**CHAT, **own}


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"x", b'{"a":1', b'{"vllm_xargs":{}}'])
def test_what_is_no_object_or_has_the_field_is_let_alone(body: bytes) -> None:
    assert hinted(body, b'"vllm_xargs":{"b":2}') is body


def test_a_field_is_added_at_the_end() -> None:
    added = hinted(b'{"a": 1 }\n', b'"vllm_xargs":{"b":2}')
    assert json.loads(added) == {"a": 1, "vllm_xargs": {"b": 2}}
    assert added.startswith(b'{"a": 1')

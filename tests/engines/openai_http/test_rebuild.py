"""A plain reply made from a stream is the one the server would have sent, or there is none."""

import itertools
import json
from typing import Any

import pytest

from ayo_bridge.engines.openai_http import (
    CannotRebuildError,
    Delivery,
    LLMRequest,
    Proof,
    Reply,
    prove,
)
from ayo_bridge.engines.openai_http.errors import RemoteProtocolError, StatusError
from ayo_bridge.engines.openai_http.rebuild import Assembler, refusal
from ayo_bridge.seam import Outcome
from tests.bindings.openai_http.harness import MESSAGES, World, outcomes

CHAT: dict[str, Any] = {"messages": MESSAGES}
TEXT: dict[str, Any] = {"prompt": ["Why is the sky blue?"]}


def proven(world: World, **body: Any) -> Proof:
    request = world.request(**body)
    proof: Proof = world.runtime.submit(prove(world.server, request)).result(timeout=10)
    world.stub.reset()
    return proof


def served(world: World, request: LLMRequest) -> Reply:
    from ayo_bridge.engines.openai_http import make_call

    call = make_call("llm:stub", request)
    reply = world.runtime.submit(world.server.serve(call)).result(timeout=10)
    assert isinstance(reply, Reply)
    return reply


@pytest.mark.parametrize(
    "body",
    [
        CHAT,
        {**CHAT, "logprobs": True, "top_logprobs": 1, "seed": 3},
        {**CHAT, "max_tokens": 3},
        TEXT,
        {**TEXT, "logprobs": 1},
        {**TEXT, "max_tokens": 3, "n": 1, "stop": None},
    ],
    ids=["chat", "chat logprobs", "chat length", "text", "text logprobs", "text length"],
)
def test_a_rebuilt_reply_equals_the_plain_one(world: World, body: dict[str, Any]) -> None:
    assert proven(world, **body).proven
    texts: list[str] = []

    plain = served(world, world.request(**body))
    rebuilt = served(world, world.request(Delivery.REBUILD, on_text=texts.append, **body))

    assert [bool(call.body.get("stream")) for call in world.stub.calls] == [False, True]
    assert rebuilt.json() == plain.json()
    assert rebuilt.body.whole() == plain.body.whole()
    assert rebuilt.headers == plain.headers
    assert (rebuilt.status, rebuilt.reason) == (plain.status, plain.reason)
    assert texts[-1] == plain.text()
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))


def test_a_rebuilt_reply_is_consumed_by_a_plain_request(world: World) -> None:
    assert proven(world, **CHAT).proven
    expected = world.client().chat.completions.create(model="stub", messages=MESSAGES)
    with world.ahead(world.call(Delivery.REBUILD, **CHAT)) as scope:
        found = world.client().chat.completions.create(model="stub", messages=MESSAGES)

    assert found.model_dump() == expected.model_dump()
    assert outcomes(scope) == [Outcome.HIT]


@pytest.mark.parametrize("extra", [{}, {"tools": [{}]}, {"n": 2}], ids=["unproven", "tools", "n"])
def test_what_is_not_proven_is_sent_plainly(world: World, extra: dict[str, Any]) -> None:
    if extra:
        assert proven(world, **CHAT).proven
    texts: list[str] = []
    reply = served(world, world.request(Delivery.REBUILD, texts.append, **CHAT, **extra))

    assert "stream" not in world.stub.calls[0].body
    assert texts == [reply.text()]


def test_an_error_status_is_raised(world: World) -> None:
    assert proven(world, **CHAT).proven
    world.stub.reply_when("sky", status=400)
    with pytest.raises(StatusError, match="answered 400") as raised:
        served(world, world.request(Delivery.REBUILD, **CHAT))

    assert raised.value.status == 400
    assert "scripted 400" in raised.value.answer


def test_a_stream_that_breaks_off_is_dropped(world: World) -> None:
    assert proven(world, **CHAT).proven
    world.stub.reply_when("sky", disconnect=3, times=1)
    with world.ahead(world.call(Delivery.REBUILD, **CHAT)) as scope:
        reply = world.client().chat.completions.create(model="stub", messages=MESSAGES)

    assert reply.choices[0].finish_reason == "stop"
    assert outcomes(scope) == [Outcome.DROPPED, Outcome.DIRECT]


def test_what_streams_otherwise_than_its_probe_is_not_asked_for_a_stream_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise CannotRebuildError("the message has 'reasoning', which is not rebuilt")

    assert proven(world, **CHAT).proven
    with monkeypatch.context() as patched:
        patched.setattr(Assembler, "build", refuses)
        with world.ahead(world.call(Delivery.REBUILD, **CHAT)) as scope:
            world.client().chat.completions.create(model="stub", messages=MESSAGES)
    assert outcomes(scope) == [Outcome.DROPPED, Outcome.DIRECT]
    request = world.request(Delivery.REBUILD, **CHAT)
    served(world, request)
    assert "stream" not in world.stub.requests[-1].body
    proof = proven(world, **CHAT)
    assert not proof.proven
    assert "reasoning" in proof.reason


async def test_a_probe_runs_once_and_is_marked(world: World) -> None:
    request = world.request(**CHAT)
    assert world.server.can_rebuild(request) is None
    first = world.runtime.submit(prove(world.server, request)).result(timeout=10)
    count = len(world.stub.requests)
    second = world.runtime.submit(prove(world.server, request)).result(timeout=10)

    assert first is second
    assert len(world.stub.requests) == count == 2
    assert {request.mark for request in world.stub.requests} == {"probe"}
    assert world.server.can_rebuild(request) is True
    assert world.server.can_rebuild(world.request(**TEXT)) is None


def test_probes_at_once_are_one(world: World) -> None:
    request = world.request(**CHAT)
    futures = [world.runtime.submit(prove(world.server, request)) for _ in range(5)]
    assert all(future.result(timeout=10).proven for future in futures)
    assert len(world.stub.requests) == 2


def test_a_server_that_is_not_there_is_asked_again(world: World) -> None:
    world.stub.reply_when(lambda r: True, disconnect=0, times=1)
    request = world.request(**CHAT)
    failed = world.runtime.submit(prove(world.server, request))
    with pytest.raises(RemoteProtocolError):
        failed.result(timeout=10)
    assert world.server.can_rebuild(request) is None
    assert world.runtime.submit(prove(world.server, request)).result(timeout=10).proven


def test_a_server_whose_stream_says_something_else_is_not_proven(world: World) -> None:
    world.stub.reply_when(lambda r: bool(r.body.get("stream")), text="different")
    proof = proven(world, **CHAT)
    assert not proof.proven
    assert "differs" in proof.reason


def test_a_server_with_headers_on_plain_replies_only_is_not_proven(world: World) -> None:
    world.stub.reply_when(lambda r: not r.body.get("stream"), headers=[("x-cost", "1")])
    proof = proven(world, **CHAT)
    assert not proof.proven
    assert "x-cost" in proof.reason


def test_a_server_that_refuses_the_probe_is_not_proven(world: World) -> None:
    world.stub.reply_when(lambda r: True, status=401)
    proof = proven(world, **CHAT)
    assert not proof.proven
    assert "401" in proof.reason


def test_without_log_probabilities_the_rest_is_proven(world: World) -> None:
    world.stub.reply_when(lambda r: bool(r.body.get("logprobs")), status=400)
    assert proven(world, **CHAT).proven
    world.stub.reset()
    call = world.call(Delivery.REBUILD, **CHAT, logprobs=True)
    future = world.runtime.submit(world.server.serve(call))
    with pytest.raises(CannotRebuildError, match="not proven"):
        future.result(timeout=10)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"tools": [{}]}, "tool calls"),
        ({"tool_choice": "auto"}, "tool calls"),
        ({"n": 2}, "more than one choice"),
        ({"prompt": ["a", "b"]}, "more than one prompt"),
        ({"prompt": [[1], [2]]}, "more than one prompt"),
        ({"prompt_logprobs": 1}, "prompt_logprobs"),
        ({"return_token_ids": True}, "return_token_ids"),
        ({"echo": True}, "echo"),
        ({"stream": True}, "streams by itself"),
        ({"something_new": 1}, "something_new"),
    ],
)
def test_what_is_not_known_is_refused(body: dict[str, Any], reason: str) -> None:
    assert reason in str(refusal(body))


@pytest.mark.parametrize(
    "body", [{"n": 1}, {"tools": None}, {"tool_choice": "none"}, {"prompt": [1, 2]}, CHAT, TEXT]
)
def test_what_is_known_is_not_refused(body: dict[str, Any]) -> None:
    assert refusal(body) is None


SKELETON: dict[str, Any] = {
    "id": "1",
    "object": "text_completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "text": "x", "logprobs": None, "finish_reason": "stop", "stop_reason": None}
    ],
    "usage": {"prompt_tokens": 1, "total_tokens": 2, "completion_tokens": 1, "details": None},
    "system_fingerprint": None,
}


def assembled(*events: dict[str, Any]) -> Assembler:
    assembler = Assembler()
    for event in events:
        assembler.add(json.dumps(event))
    assembler.add("[DONE]")
    return assembler


def chunk(**choice: Any) -> dict[str, Any]:
    return {"id": "1", "created": 1, "model": "m", "choices": [{"index": 0, **choice}]}


USAGE = {
    "id": "1",
    "choices": [],
    "usage": {"prompt_tokens": 1, "total_tokens": 2, "completion_tokens": 1},
}


def test_nulls_come_from_the_skeleton_and_stop_reasons_from_the_stream() -> None:
    stream = assembled(chunk(text="a"), chunk(text="b", finish_reason="stop", stop_reason=7), USAGE)
    built = stream.build(SKELETON)
    assert built["choices"][0] == {
        "index": 0,
        "text": "ab",
        "logprobs": None,
        "finish_reason": "stop",
        "stop_reason": 7,
    }
    assert built["usage"]["details"] is None
    assert list(built) == list(SKELETON)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([chunk(text="a", finish_reason="stop")], "no usage"),
        ([chunk(text="a"), USAGE], "finish reason"),
        ([chunk(text="a", finish_reason="stop", index=1), USAGE], "more than one choice"),
        ([chunk(text="a", finish_reason="stop", token_ids=[1]), USAGE], "token_ids"),
        ([{"error": {"message": "boom"}}], "unknown event"),
        ([chunk(text="a", finish_reason="stop"), {**USAGE, "id": "2"}], "'id' changes"),
        ([chunk(text="a", finish_reason="stop"), {**USAGE, "extra": 1}], "extra"),
    ],
)
def test_a_stream_with_something_unknown_is_refused(events: Any, reason: str) -> None:
    with pytest.raises(CannotRebuildError, match=reason):
        assembled(*events).build(SKELETON)


@pytest.mark.parametrize(
    "delta", [{"tool_calls": [{"index": 0}]}, {"reasoning": "hm"}, {"refusal": "no"}]
)
def test_messages_with_more_than_content_are_refused(delta: dict[str, Any]) -> None:
    assembler = assembled(chunk(delta=delta), chunk(delta={"content": "a"}, finish_reason="stop"))
    assert assembler.text == "a"
    with pytest.raises(CannotRebuildError, match=next(iter(delta))):
        assembler.build(SKELETON)

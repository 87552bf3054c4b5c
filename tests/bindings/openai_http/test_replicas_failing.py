"""Replicas that fail in every way that servers have: what the original would have seen is right."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from typing import Any

import openai
import pytest

from ayo_bridge import LLM, Runtime
from ayo_bridge.bindings.openai_http import register_endpoint
from ayo_bridge.engines.openai_http import Delivery, OpenAIServer, replica_checks, sent
from ayo_bridge.engines.openai_http.replicas import Replicas
from ayo_bridge.errors import ArgumentError
from ayo_bridge.schedule.loads import Loads
from ayo_bridge.seam import entered
from tests.bindings.openai_http.harness import CHAT
from tests.bindings.openai_http.two_replicas import (
    Make,
    answers,
    ask,
    ask_async,
    ask_for_stream,
    leave,
    replicas_of,
)
from tests.deadline import eventually
from tests.scopes import open_scope
from tests.stub_openai import StubOpenAI


@contextmanager
def full() -> Iterator[str]:
    """The base URL of a host that answers no attempt to connect."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        finally:
            for each in waiting:
                each.close()


@pytest.mark.parametrize("status", [307, 401, 429, 502])
@pytest.mark.parametrize("ahead", [False, True])
def test_one_that_is_set_up_otherwise_or_busy_costs_no_answer(
    make: Make, status: int, ahead: bool
) -> None:
    world, other = make()
    ask(world)  # The next one goes to the other replica.
    there = [("Location", f"{other.base_url}/chat/completions"), ("Retry-After", "20")]
    other.reply_when("sky", status=status, headers=there)
    answers(world, ahead=ahead)
    assert (len(world.stub.calls), len(other.calls)) == (2, 1)
    assert replicas_of(world).up() == (True, False)


@pytest.mark.parametrize("status", [401, 404])
def test_what_all_refuse_is_no_fault_of_a_replica(make: Make, status: int) -> None:
    world, other = make()
    for stub in (world.stub, other):
        stub.reply_when("of a stranger", status=status)
    for _ in range(4):
        with pytest.raises(openai.APIStatusError) as found:
            ask(world, messages=[{"role": "user", "content": "of a stranger"}])
        assert found.value.status_code == status
    assert replicas_of(world).up() == (True, True)
    assert replicas_of(world).requests() == (0, 0)
    ask(world)
    ask(world)
    assert [call.status for call in other.calls][-1] == 200


def test_where_all_are_busy_its_own_address_says_so(make: Make) -> None:
    world, other = make()
    ask(world)
    for stub, who in ((world.stub, "own"), (other, "other")):
        stub.reply_when("sky", status=429, headers=[("x-who", who), ("Retry-After", "1")])
    with pytest.raises(openai.RateLimitError) as found:
        ask(world)
    assert found.value.response.headers["x-who"] == "own"
    assert len(other.calls) == 1


def test_one_that_fails_at_everything_and_says_it_is_well_is_not_chosen_for_being_idle(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_checks, "EVERY", 0.02)
    world, other = make("least_outstanding")
    other.reply_when("sky", status=500)
    ask(world)
    for failures in (1, 2):  # It answers when it is asked for its health.
        eventually(lambda: replicas_of(world).up() == (True, True), "it is said to be well")
        while len(other.calls) < failures:
            with suppress(openai.InternalServerError):  # It is an answer.
                ask(world)
    replicas = replicas_of(world)
    eventually(lambda: not replicas.down(), "it is said to be well again")
    assert replicas.up() == (True, False)
    for _ in range(4):
        assert ask(world).choices
    assert len(other.calls) == 2


def test_one_that_breaks_off_is_left_for_others(make: Make) -> None:
    world, other = make()
    other.reply_when("sky", disconnect=2)
    list(ask_for_stream(world))
    with pytest.raises(Exception, match=r"incomplete|peer closed"):
        list(ask_for_stream(world))
    assert replicas_of(world).up() == (True, False)
    for _ in range(2):
        assert len(list(ask_for_stream(world))) > 2
    assert len(other.calls) == 1
    assert replicas_of(world).requests() == (0, 0)


def test_a_stream_ahead_that_breaks_off_before_it_is_read_costs_no_answer(make: Make) -> None:
    world, other = make()
    ask(world)
    other.reply_when("sky", disconnect=2)
    with world.ahead(world.call(Delivery.REPLAY_STREAM, **CHAT, stream=True)):
        eventually(lambda: replicas_of(world).up() == (True, False), "it is known to have failed")
        assert len(list(world.client().chat.completions.create(**CHAT, stream=True))) > 2
    assert (len(world.stub.calls), len(other.calls)) == (2, 1)


def test_a_reader_who_leaves_does_not_blame_the_replica(make: Make) -> None:
    world, other = make()
    other.token_interval = world.stub.token_interval = 0.01
    for _ in range(2):
        events = ask_for_stream(world)
        next(events)
        events.close()
    assert replicas_of(world).up() == (True, True)
    eventually(lambda: replicas_of(world).requests() == (0, 0), "both are let go")


async def test_one_that_answers_nothing_any_more_gets_nothing_more(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EVERY", "METRICS_EVERY", "_PATIENCE"):
        monkeypatch.setattr(replica_checks, name, 0.02)
    world, other = make("least_delay")
    over = threading.Event()
    async with world.async_client() as client:
        await ask_async(world, client)
        other.loop.call_soon_threadsafe(over.wait, 30.0)
        try:
            waiting = asyncio.create_task(ask_async(world, client))
            while replicas_of(world).up() != (True, False):
                await asyncio.sleep(0.01)
            for _ in range(3):
                await ask_async(world, client)
            assert not waiting.done()  # A silence is its caller's own: it has a time-out for that.
        finally:
            over.set()
        await waiting
    assert (len(world.stub.calls), len(other.calls)) == (4, 1)


@pytest.mark.parametrize("ahead", [False, True])
def test_one_that_hangs_at_connect_is_left_before_the_client_gives_up(
    make: Make, monkeypatch: pytest.MonkeyPatch, ahead: bool
) -> None:
    monkeypatch.setattr(sent, "_CONNECT", 0.1)
    world, other = make()
    with full() as url:
        world.runtime.change(LLM("stub", [world.stub.base_url, url], "round_robin"))
        ask(world)
        answers(world, ahead=ahead, client=world.client(timeout=60))
        assert replicas_of(world).up() == (True, False, False)
    assert not other.calls


def test_they_are_added_and_removed_while_calls_are_on_their_way(make: Make) -> None:
    world, other = make("least_outstanding")
    urls = [world.stub.base_url, other.base_url]
    with StubOpenAI(latency=0.0) as third:
        ask(world)
        with entered(open_scope(world.runtime)):
            other.token_interval = 0.05
            stream = world.client().chat.completions.create(**CHAT, stream=True)
            next(stream)
            world.runtime.change(LLM("stub", [urls[0], third.base_url], "least_outstanding"))
            assert len(list(stream)) > 2  # What is on its way runs on.
        for _ in range(6):
            ask(world)
        assert len(other.calls) == 1
        assert len(third.calls) == 3
        assert [replicas_of(world).has(url) for url in replicas_of(world).servers] == [
            *(True, False, True)
        ]
        world.runtime.change(LLM("stub", [other.base_url, third.base_url], "least_outstanding"))
        before = len(world.stub.calls)
        for _ in range(4):  # The application's own address need not be one of them any more.
            assert ask(world).choices
        assert len(world.stub.calls) == before
        assert (len(other.calls), len(third.calls)) == (3, 5)
    with pytest.raises(ArgumentError, match="no replicas of 'other' are declared"):
        world.runtime.change(LLM("other", urls))
    with pytest.raises(ArgumentError, match="routing of 'stub' is \"least_outstanding\""):
        world.runtime.change(LLM("stub", urls, "prefix"))


def test_who_has_asked_at_an_address_that_is_added_later_has_all_replicas_then(make: Make) -> None:
    world, other = make()
    urls = [world.stub.base_url, other.base_url]
    with StubOpenAI(latency=0.0) as third:
        client = world.client().with_options(base_url=third.base_url)
        for _ in range(2):
            ask(world, client)
        assert len(third.calls) == 2
        world.runtime.change(LLM("stub", [*urls, third.base_url], "round_robin"))
        for _ in range(3):
            ask(world, client)
        assert [len(stub.calls) for stub in (world.stub, other, third)] == [1, 1, 3]


def test_as_much_runs_ahead_as_for_a_runtime_that_was_made_with_as_many(make: Make) -> None:
    world, other = make()
    urls = [world.stub.base_url, other.base_url]
    server = world.stub.root_url.removeprefix("http://")
    elsewhere = other.root_url.removeprefix("http://")
    loads = [world.runtime.load(each) for each in (server, "c:8000")]
    with StubOpenAI(latency=0.0) as third:
        for named in ([*urls, third.base_url], urls[:1], [other.base_url, third.base_url]):
            world.runtime.change(LLM("stub", named, "round_robin"))
            made = Runtime(engines=[LLM("stub", named)]).load(named[0].split("/")[2])
            assert [each.description for each in loads] == [
                made.description,
                "at most 8 calls ahead",
            ]
            assert world.runtime.load(elsewhere).description == made.description


def test_of_many_that_are_gone_a_few_are_tried_and_last_its_own() -> None:
    urls = [f"http://10.0.0.{number}:80/v1" for number in range(20)]
    replicas = Replicas(LLM("stub", urls, "round_robin"), lambda: 0.0, _watched)
    replicas.sending("10.0.0.0:80", CHAT)
    sending = replicas.sending("10.0.0.0:80", CHAT)
    assert sending is not None
    tried = [sending.own]
    while sending.fails():
        tried.append(sending.own)
    assert tried == [False] * 4 + [True]
    assert sum(replicas.requests()) == 0


def test_what_others_have_sent_counts_for_the_choice_and_not_among_our_requests() -> None:
    replicas = Replicas(LLM("stub", ["http://a/v1", "http://b/v1"]), lambda: 0.0, _watched)
    replicas.heard(0, 7)  # Each process hears that, and what they say is added up.
    sending = [replicas.sending("a:80", CHAT) for _ in range(3)]
    assert replicas.requests() == (0, 3)
    assert all(each is not None and not each.own for each in sending)


def _watched(check: object) -> Future[Any]:
    return Future()


async def test_a_task_cancelled_while_its_replica_fails_is_forgotten(make: Make) -> None:
    world, other = make()
    client = world.async_client()
    await ask_async(world, client)
    world.stub.latency = 30.0
    other.reply_when("sky", status=503, content=b"x" * 4096)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask_async(world, client), 0.2)
    await client.close()
    assert len(other.calls) == 1
    assert replicas_of(world).requests() == (0, 0)


def test_many_threads_and_loops_share_what_is_known(make: Make) -> None:
    world, other = make("prefix")
    client, failed = world.client(), []

    def blocking() -> None:
        try:
            for _ in range(6):
                assert ask(world, client).choices
        except Exception as error:
            failed.append(error)

    async def rounds() -> None:
        async with world.async_client() as own:
            await asyncio.gather(*(ask_async(world, own) for _ in range(6)))

    def awaiting() -> None:
        try:
            asyncio.run(rounds())
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=each) for each in (blocking, awaiting) * 3]
    for thread in threads:
        thread.start()
    leave(other)
    for thread in threads:
        thread.join()
    assert not failed
    assert replicas_of(world).requests() == (0, 0)
    assert len(world.stub.calls) >= 18


def test_two_models_at_the_same_addresses_have_replicas_of_their_own(make: Make) -> None:
    world, other = make()
    ask(world)
    ask(world, model="another")  # Nothing is declared of it: it is asked where it is.
    assert (len(world.stub.calls), len(other.calls)) == (2, 0)
    lone = OpenAIServer("llm:another", world.stub.base_url)
    world.runtime.register(lone)
    assert lone.routes is None
    elsewhere = OpenAIServer("llm:stub@elsewhere:80", "http://elsewhere/v1")
    world.runtime.register(elsewhere)
    assert elsewhere.routes is None


def test_a_model_registered_later_at_its_address_does_not_keep_another_from_its_replicas(
    make: Make,
) -> None:
    world, other = make()
    server = world.stub.root_url.removeprefix("http://")
    for model in ("another", "more"):
        register_endpoint(world.stub.base_url, f"llm:{model}@{server}")
        for _ in range(2):
            ask(world)
        ask(world, model=model)
    assert [call.body["model"] for call in other.calls] == ["stub", "stub"]
    assert world.runtime.knows(f"llm:stub@{server}")


def test_one_of_ipv6_with_a_trailing_slash_is_a_replica(make: Make) -> None:
    world, other = make()
    with relayed("::1", other) as port:
        urls = [world.stub.base_url + "/", f"http://[::1]:{port}/v1/"]
        world.runtime.change(LLM("stub", urls, "round_robin"))
        for _ in range(2):
            assert ask(world).choices
    assert other.calls[0].headers["host"] == f"[::1]:{port}"


@contextmanager
def relayed(host: str, to: StubOpenAI) -> Iterator[int]:
    """Another address of a server; its port."""
    server = asyncio.run_coroutine_threadsafe(_relay(host, to), to.loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        to.loop.call_soon_threadsafe(server.close)


async def _relay(host: str, to: StubOpenAI) -> asyncio.Server:
    from tests.stub_openai.connection import Connection

    return await to.loop.create_server(lambda: Connection(to), host, 0)


def test_what_the_collector_ends_while_a_replica_is_chosen_is_heard_afterwards(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = make("prefix")
    replicas = replicas_of(world)
    kept: list[Any] = [replicas.sending(replicas.servers[0], CHAT) for _ in range(3)]
    asked = Loads.idlest

    def collected(loads: Loads) -> Iterator[int]:
        for number in asked(loads):
            kept.clear()
            gc.collect()
            yield number

    monkeypatch.setattr(Loads, "idlest", collected)
    sending = replicas.sending(replicas.servers[0], CHAT)
    assert sending is not None
    assert sum(replicas.requests()) == 1
    sending.drops()
    assert replicas.requests() == (0, 0)

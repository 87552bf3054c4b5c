"""Servers are probed once the original has had a reply of them, for as long as that is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from ayo_bridge import Runtime
from ayo_bridge.bindings.openai_sdk import Form, note_answered
from ayo_bridge.lift.llm import Served, served_model
from ayo_bridge.profile import ProfileStore
from tests.deadline import eventually
from tests.stub_openai import StubOpenAI

ASKED = {"model": "stub", "messages": [{"role": "user", "content": "why?"}]}


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.0) as made:
        yield made


@pytest.fixture
def client(stub: StubOpenAI) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=stub.base_url, api_key="key", max_retries=0) as made:
        yield made


@pytest.fixture
def runtime(stub: StubOpenAI, client: openai.OpenAI, tmp_path: Path) -> Iterator[Runtime]:
    """It wants to know whether this server's replies can be rebuilt."""
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path))
    engine = served_model(made, stub.base_url, "stub")
    Served(made, engine, client, Form("/chat/completions")).prove(ASKED)
    yield made
    made.close()


def test_a_server_is_probed_when_the_original_has_had_a_reply(
    stub: StubOpenAI, client: openai.OpenAI, runtime: Runtime
) -> None:
    assert not stub.requests
    note_answered(client)
    eventually(lambda: bool(runtime.can_stream()), "the proof")
    assert {request.mark for request in stub.requests} == {"probe"}


def test_a_runtime_that_was_closed_before_asks_nothing_and_starts_no_loop_for_it(
    stub: StubOpenAI, client: openai.OpenAI, runtime: Runtime
) -> None:
    runtime.close()
    note_answered(client)
    assert runtime._loop is None
    assert not stub.requests


def test_one_that_is_in_use_again_does(
    stub: StubOpenAI, client: openai.OpenAI, runtime: Runtime
) -> None:
    runtime.close()
    runtime.submit(asyncio.sleep(0)).result(10)
    note_answered(client)
    eventually(lambda: bool(runtime.can_stream()), "the proof")

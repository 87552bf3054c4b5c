"""What the functions under test are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeVar

import openai

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.seam import EngineKind, Outcome
from tests.deadline import eventually
from tests.stub_openai import StubOpenAI

Ask = Callable[[str], str]
F = TypeVar("F", bound=Callable[..., Any])
TOPICS = ("rivers", "tides", "glaciers", "deserts", "volcanoes", "forests", "coral reefs", "clouds")


def question(number: int) -> str:
    """One of many that have no words in common but those of a question."""
    return f"What is known of {TOPICS[number % len(TOPICS)]} in the year {1900 + 7 * number}?"


def client_of(stub: StubOpenAI, key: str = "key") -> openai.OpenAI:
    return openai.OpenAI(base_url=stub.base_url, api_key=key, max_retries=0)


def async_client_of(stub: StubOpenAI) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=stub.base_url, api_key="key", max_retries=0)


def asked(client: openai.OpenAI, prompt: str) -> str:
    reply = client.chat.completions.create(
        model="stub", messages=[{"role": "user", "content": prompt}], temperature=0
    )
    return reply.choices[0].message.content or ""


async def asked_async(client: openai.AsyncOpenAI, prompt: str) -> str:
    reply = await client.chat.completions.create(
        model="stub", messages=[{"role": "user", "content": prompt}], temperature=0
    )
    return reply.choices[0].message.content or ""


def asking(stub: StubOpenAI) -> Ask:
    client = client_of(stub)
    return lambda prompt: asked(client, prompt)


def learned(fast: Any) -> None:
    """Wait until something has been learned."""
    eventually(lambda: "learned from" in explain(fast).full(), "the end of learning", 10)


def taught(function: F, runtime: Runtime) -> F:
    """A function accelerated, that has been asked four questions and has learned from them."""
    fast = accelerate(function, runtime=runtime)
    for number in range(4):
        fast(question(number))
    learned(fast)
    return fast


def outcomes(fast: Any) -> Counter[Outcome]:
    """What became of the engine calls of the last call."""
    record = explain(fast).record
    assert record is not None
    return Counter(call.outcome for call in record.calls)


def asks_before_it_stores(fast: Any) -> bool:
    """Whether the last call had asked an LLM before it has written to its vector store."""
    record = explain(fast).record
    assert record is not None
    first = {each.kind: each for each in sorted(record.calls, key=lambda c: c.queued, reverse=True)}
    asked, stored = first[EngineKind.LLM], first[EngineKind.VECTOR_STORE]
    return asked.outcome is Outcome.HIT and asked.queued < stored.queued


def overlapped(stub: StubOpenAI) -> bool:
    """Whether two of the requests that the stub has seen were there at the same time."""
    calls = sorted(stub.calls, key=lambda call: call.arrived)
    return any(
        later.arrived < earlier.ended
        for earlier, later in pairwise(calls)
        if earlier.ended is not None
    )


@contextmanager
def side_by_side(stub: StubOpenAI, words: str = "") -> Iterator[None]:
    """Two of the requests with these words in their prompts are there at the same time.

    The stub forgets all others, and answers neither before: a busy machine has the time it needs.
    """
    stub.reset()
    stub.reply_when(words, together=2)
    yield
    assert overlapped(stub)


def prompts(stub: StubOpenAI) -> Counter[str]:
    return Counter(call.prompt for call in stub.calls)

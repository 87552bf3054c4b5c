"""Calls of functions that end by raising: what is raised is raised, and what was ahead is over."""

from __future__ import annotations

import asyncio
import contextlib

import openai
import pytest

from ayo_bridge import Runtime, accelerate
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import (
    asked_async,
    asking,
    async_client_of,
    learned,
    outcomes,
    prompts,
    question,
    taught,
)
from tests.stub_openai import StubOpenAI

# The functions keep their clients: these are not closed, and that is not our concern.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_what_the_original_raises_is_raised_and_what_was_sent_is_cancelled(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    ask = asking(stub)
    fails = False

    def answer(query: str) -> str:
        causes = ask(f"List the causes: {query}")
        if fails:
            raise LookupError(query)
        return causes + ask(f"List the effects: {query}")

    fast = taught(answer, runtime)
    fails = True
    with pytest.raises(LookupError, match="1970"):
        fast(question(10))
    assert outcomes(fast) == {Outcome.CANCELLED: 1, Outcome.DIRECT: 1}
    fails = False
    for number in (20, 21):  # The first shows that it was right.
        assert fast(question(number)) == answer(question(number))
    assert outcomes(fast)[Outcome.HIT] == 1


def test_a_program_that_goes_no_further_by_raising_has_little_made_in_vain(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    ask = asking(stub)

    def answer(query: str, allowed: bool) -> str:
        verdict = ask(f"Is this allowed? {query}")
        if not allowed:
            raise PermissionError(query)
        return verdict + ask(f"List the causes: {query}") + ask(f"List the effects: {query}")

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        fast(question(number), True)
    learned(fast)
    stub.reset()
    for number in range(10, 40):
        if number == 30:
            learned(fast)
        allowed = number % 3 > 0
        with contextlib.nullcontext() if allowed else pytest.raises(PermissionError):
            fast(question(number), allowed)
    refused = [question(number) for number in range(10, 40) if number % 3 == 0]
    vain = [p for p in prompts(stub) if "List" in p and p.partition(": ")[2] in refused]
    assert len(vain) <= 4
    assert outcomes(fast) == {Outcome.DIRECT: 1}
    assert fast(question(50), True) == answer(question(50), True)
    assert outcomes(fast) == {Outcome.DIRECT: 2, Outcome.HIT: 1}


def test_something_that_is_down_for_a_while_costs_one_call_in_vain_and_nothing_that_was_learned(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    ask = asking(stub)
    down = False

    def answer(query: str) -> str:
        causes = ask(f"List the causes: {query}")
        if down:
            raise ConnectionError(query)
        return causes + ask(f"List the effects: {query}")

    fast = taught(answer, runtime)
    stub.reset()
    down = True
    for number in range(10, 40):
        with pytest.raises(ConnectionError):
            fast(question(number))
    assert sum("effects" in call.prompt for call in stub.calls) == 1
    down = False
    for number in (50, 51):
        assert fast(question(number)) == answer(question(number))
    assert outcomes(fast) == {Outcome.DIRECT: 1, Outcome.HIT: 1}


def test_what_is_raised_as_an_engine_fails_says_nothing_of_the_program(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    ask = asking(stub)

    def answer(query: str) -> str:
        causes = ask(f"List the causes: {query}")
        return causes + ask(f"List the effects: {query}") + ask(f"List the cures: {query}")

    fast = taught(answer, runtime)
    stub.reply_when("the causes", status=400, times=3)
    for number in range(10, 13):
        with pytest.raises(openai.BadRequestError):
            fast(question(number))
    assert fast(question(20)) == answer(question(20))
    assert outcomes(fast)[Outcome.HIT] == 2


async def test_a_call_that_is_cancelled_cancels_what_was_sent(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = async_client_of(stub)

    async def answer(query: str) -> str:
        causes = await asked_async(client, f"List the causes: {query}")
        return causes + await asked_async(client, f"List the effects: {query}")

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        await fast(question(number))
    await asyncio.to_thread(learned, fast)
    stub.latency = 5.0
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(fast(question(9)), 0.2)
    assert outcomes(fast)[Outcome.CANCELLED] == 1
    stub.latency = 0.0
    assert await fast(question(10)) == await answer(question(10))

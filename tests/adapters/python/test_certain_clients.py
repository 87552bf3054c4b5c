"""Clients that a call has not used yet, and will for certain."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context

import pytest

from ayo_bridge import Runtime, accelerate
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import (
    asked,
    asked_async,
    async_client_of,
    client_of,
    learned,
    outcomes,
    question,
    side_by_side,
)
from tests.stub_openai import StubOpenAI

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
CALLS = 7


def test_two_clients_that_a_function_certainly_uses_are_asked_side_by_side(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    small, large = client_of(stub, "small"), client_of(stub, "large")

    def answer(query: str) -> str:
        causes = asked(small, f"List the causes: {query}")
        return causes + asked(large, f"List the effects: {query}")

    fast = accelerate(answer, runtime=runtime)
    for number in range(5):
        fast(question(number))
    learned(fast)
    stub.reset()
    assert fast(question(5)) == answer(question(5))
    assert outcomes(fast)[Outcome.HIT] >= 1
    with side_by_side(stub):
        fast(question(6))
    for request in stub.requests:
        key = "small" if "causes" in request.prompt else "large"
        assert request.headers["authorization"] == f"Bearer {key}"


async def test_so_are_two_asynchronous_ones(stub: StubOpenAI, runtime: Runtime) -> None:
    one, two = async_client_of(stub), async_client_of(stub)

    async def answer(query: str) -> str:
        causes = await asked_async(one, f"List the causes: {query}")
        return causes + await asked_async(two, f"List the effects: {query}")

    fast = accelerate(answer, runtime=runtime)
    for number in range(5):
        await fast(question(number))
    learned(fast)
    with side_by_side(stub):
        await fast(question(5))


def test_a_client_that_is_used_later_for_certain_is_not_used_for_what_comes_before(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    tenant: ContextVar[str] = ContextVar("tenant", default="first")
    clients = {name: client_of(stub, name) for name in ("first", "second")}
    default = clients["first"]

    def answer(query: str) -> str:
        secret = asked(clients[tenant.get()], f"A secret: {query}")
        return secret + asked(default, f"Is this polite? {query}")

    fast = accelerate(answer, runtime=runtime)
    for number in range(5):
        fast(question(number))
    learned(fast)
    stub.reset()
    tenant.set("second")
    for number in range(5, 8):
        fast(question(number))
    time.sleep(0.05)
    assert len(stub.requests) == 6
    for request in stub.requests:
        own = "second" if "secret" in request.prompt else "first"
        assert request.headers["authorization"] == f"Bearer {own}"


def test_a_client_that_is_put_in_the_place_of_another_is_seen(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    small, large = client_of(stub, "small"), client_of(stub, "large")

    def answer(query: str) -> str:
        causes = asked(small, f"List the causes: {query}")
        return causes + asked(large, f"List the effects: {query}")

    fast = accelerate(answer, runtime=runtime)
    for number in range(5):
        fast(question(number))
    learned(fast)
    large = client_of(stub, "another")
    stub.reset()
    fast(question(5))
    time.sleep(0.05)
    keys = {request.headers["authorization"] for request in stub.requests}
    assert keys == {"Bearer small", "Bearer another"}


def test_what_the_call_itself_certainly_uses_asks_nothing_for_its_jobs(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    clients = {name: client_of(stub, name) for name in ("first", "second", "third")}
    default = clients["first"]

    def served(given: tuple[str, str]) -> str:
        name, query = given
        causes = asked(clients[name], f"List the causes: {query}")
        return causes + asked(clients[name], f"List the effects: {query}")

    def answers(queries: list[str], names: list[str]) -> list[str]:
        polite = asked(default, f"Are they polite? {', '.join(queries)}")
        with ThreadPoolExecutor(3) as pool:
            jobs = [
                pool.submit(copy_context().run, served, each)
                for each in zip(names, queries, strict=True)
            ]
            return [polite, *(job.result() for job in jobs)]

    fast = accelerate(answers, runtime=runtime)
    for number in range(5):
        fast([question(number), question(number + 20), question(number + 40)], ["first"] * 3)
    learned(fast)
    stub.reset()
    owners: dict[str, str] = {}
    for number in range(5, 8):
        queries = [question(number), question(number + 20), question(number + 40)]
        owners.update(zip(queries, clients, strict=True))
        fast(queries, list(clients))
    time.sleep(0.05)
    assert len(stub.requests) >= 3 * (1 + 6)
    for request in stub.requests:
        if "polite" not in request.prompt:
            (owner,) = (name for query, name in owners.items() if query in request.prompt)
            assert request.headers["authorization"] == f"Bearer {owner}"

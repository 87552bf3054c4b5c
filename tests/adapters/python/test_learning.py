"""Functions run ahead of themselves once they were learned; their answers stay what they were."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.bindings.endpoints import register_endpoint
from ayo_bridge.learn.induction.induce import induce
from ayo_bridge.learn.live.worker import NAME
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import (
    Ask,
    asked,
    asked_async,
    asking,
    async_client_of,
    client_of,
    learned,
    outcomes,
    overlapped,
    prompts,
    question,
    side_by_side,
)
from tests.deadline import eventually
from tests.stub_openai import StubOpenAI

# The functions keep their clients: these are not closed, and that is not our concern.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Both:
    """Two calls that do not need each other. Its prompts may be changed."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.second = "List the effects"

    def answer(self, query: str) -> str:
        causes = self._ask(f"List the causes: {query}")
        effects = self._ask(f"{self.second}: {query}")
        return f"{causes} / {effects}"


def _taught(both: Both, runtime: Runtime) -> Any:
    fast = accelerate(both.answer, runtime=runtime)
    for number in range(4):
        assert fast(question(number)) == both.answer(question(number))
    learned(fast)
    return fast


def test_two_calls_that_need_nothing_of_each_other_run_side_by_side_after_four_calls(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    both = Both(asking(stub))
    fast = accelerate(both.answer, runtime=runtime)
    for number in range(4):
        stub.reset()
        fast(question(number))
        assert not overlapped(stub)
    learned(fast)
    with side_by_side(stub):
        answer = fast(question(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}
    made = prompts(stub)
    assert answer == both.answer(question(9))
    assert prompts(stub) == made + made


async def test_a_coroutine_function_learns_what_gather_does_not_start_together(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = async_client_of(stub)

    @accelerate
    async def default(query: str) -> str:
        return query

    async def compare(query: str) -> str:
        pair = await asyncio.gather(
            asked_async(client, f"To French: {query}"), asked_async(client, f"To Dutch: {query}")
        )
        tone = await asked_async(client, f"What tone has this? {query}")
        return await asked_async(client, f"In a {tone} tone:\n{pair[0]}\n{pair[1]}")

    fast = accelerate(compare, runtime=runtime)
    assert await default("same") == "same"
    for number in range(4):
        assert await fast(question(number)) == await compare(question(number))
    await asyncio.to_thread(learned, fast)
    stub.reset()
    answer = await fast(question(9))
    first = [call.prompt for call in sorted(stub.calls, key=lambda call: call.arrived)][:3]
    assert any(prompt.startswith("What tone") for prompt in first)
    assert outcomes(fast)[Outcome.HIT] >= 1
    assert not outcomes(fast)[Outcome.WASTED]
    assert answer == await compare(question(9))


def test_items_of_an_answer_are_asked_for_side_by_side(stub: StubOpenAI, runtime: Runtime) -> None:
    ask = asking(stub)
    stub.reply_when("three parts", text=_three_lines)

    def write(query: str) -> str:
        parts = ask(f"Name three parts of this: {query}").splitlines()
        return "\n".join(ask(f"Write on {part} for: {query}") for part in parts)

    fast = accelerate(write, runtime=runtime)
    for number in range(4):
        fast(question(number))
    learned(fast)
    expected = write(question(9))
    made = prompts(stub)
    before = len(stub.calls)
    assert fast(question(9)) == expected
    assert prompts(stub) - made == dict.fromkeys([c.prompt for c in stub.calls[before:]], 1)
    assert outcomes(fast)[Outcome.HIT] == 3
    assert not outcomes(fast)[Outcome.WASTED]


def _three_lines(request: Any) -> str:
    word = request.prompt.rpartition(" ")[2]
    return "\n".join(f"{part} of {word}" for part in ("the beginning", "the middle", "the end"))


def test_after_a_prompt_has_changed_one_request_is_in_vain_and_it_is_learned_anew(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    both = Both(asking(stub))
    fast = _taught(both, runtime)
    both.second = "Say what follows from it"
    wasted = 0
    for number in range(10, 16):
        answer = fast(question(number))
        wasted += outcomes(fast)[Outcome.WASTED] + outcomes(fast)[Outcome.CANCELLED]
        assert answer == both.answer(question(number))
    assert wasted == 1
    assert "discarded" in explain(fast).full() or "learned from" in explain(fast).full()
    for number in range(20, 26):
        fast(question(number))
    learned(fast)
    assert fast(question(30)) == both.answer(question(30))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}


def test_fifty_tenants_whose_clients_are_looked_up_by_name_have_their_prompts_to_themselves(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    """All that was learned from were calls of one tenant, by one client."""
    clients: dict[str, openai.OpenAI] = {}

    def answer(tenant: str, query: str) -> str:
        if tenant not in clients:
            clients[tenant] = client_of(stub, tenant)
        client = clients[tenant]
        causes = asked(client, f"List the causes: {query}")
        effects = asked(client, f"List the effects: {query}")
        return f"{causes} / {effects}"

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        fast("tenant-0", question(number))
    learned(fast)
    fast("tenant-0", question(4))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}
    stub.reset()
    tenants = [f"tenant-{number}" for number in range(50)]

    def ask(number: int) -> None:
        fast(tenants[number], f"{question(number)} asked by tenant-{number}.")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(50)))
    assert len(stub.calls) == 100
    for call in stub.calls:
        tenant = call.headers["authorization"].removeprefix("Bearer ")
        assert call.prompt.endswith(f"asked by {tenant}.")


def test_nothing_goes_ahead_under_another_tenants_client(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    def answer(tenant: str, query: str) -> str:
        client = client_of(stub, tenant)
        try:
            causes = asked(client, f"List the causes: {query}")
            return causes + asked(client, f"List the effects: {query}")
        finally:
            client.close()

    fast = accelerate(answer, runtime=runtime)
    for number in range(12):
        tenant = ("red", "blue")[number % 2]
        stub.reset()
        fast(tenant, question(number))
        keys = {call.headers["authorization"] for call in stub.calls}
        assert keys == {f"Bearer {tenant}"}
        assert outcomes(fast) == {Outcome.DIRECT: 2}


def test_nothing_goes_ahead_by_a_client_that_another_call_was_given(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    def answer(given: dict[str, openai.OpenAI], query: str) -> str:
        causes = asked(given["client"], f"List the causes: {query}")
        return causes + asked(given["client"], f"List the effects: {query}")

    red, blue = client_of(stub, "red"), client_of(stub, "blue")
    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        fast({"client": red}, question(number))
    learned(fast)
    fast({"client": red}, question(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}
    stub.reset()
    fast({"client": blue}, question(10))
    assert {call.headers["authorization"] for call in stub.calls} == {"Bearer blue"}
    assert outcomes(fast) == {Outcome.DIRECT: 2}


def test_templates_are_induced_in_the_background_only(
    stub: StubOpenAI, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    def noted(*args: Any) -> Any:
        threads.append(threading.current_thread().name)
        return induce(*args)

    monkeypatch.setattr("ayo_bridge.learn.live.lesson.induce", noted)
    _taught(Both(asking(stub)), runtime)
    assert set(threads) == {NAME}


def test_a_function_without_engine_calls_says_so(runtime: Runtime) -> None:
    def shout(text: str) -> str:
        return text.upper()

    fast = accelerate(shout, runtime=runtime)
    assert [fast(word) for word in ("one", "two", "three")] == ["ONE", "TWO", "THREE"]
    assert "makes no engine calls that can be followed" in explain(fast).full()


def test_a_function_whose_calls_differ_in_no_text_says_so(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    ask = asking(stub)

    def joke(length: int) -> str:
        return ask(f"Tell me a joke of {length} words")

    fast = accelerate(joke, runtime=runtime)
    assert fast(10) == joke(10)
    assert "differ in no text" in explain(fast).full()


def test_the_same_question_again_neither_teaches_nor_stops_the_learning(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    both = Both(asking(stub))
    fast = accelerate(both.answer, runtime=runtime)
    for number in (0, 0, 0, 1):
        fast(question(number))
    assert "learning (2 of 4 calls)" in explain(fast).full()
    for number in (2, 2, 3):
        fast(question(number))
    learned(fast)


def test_an_accelerated_function_inside_of_another_belongs_to_that(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    ask = accelerate(asking(stub), runtime=runtime)
    both = Both(ask)
    fast = _taught(both, runtime)
    assert fast(question(9)) == both.answer(question(9))
    assert outcomes(fast)[Outcome.HIT] == 1


def test_eight_threads_share_what_was_learned(stub: StubOpenAI, runtime: Runtime) -> None:
    both = Both(asking(stub))
    fast = _taught(both, runtime)
    asked_for = [question(number) for number in range(10, 42)]
    stub.reset()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(fast, asked_for))
    made = prompts(stub)
    assert answers == [both.answer(each) for each in asked_for]
    assert len(made) == 2 * len(asked_for)
    assert set(made.values()) == {1}


def test_a_branch_that_the_first_calls_did_not_take_is_learned_while_the_rest_runs_ahead(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    ask = asking(stub)

    def answer(query: str) -> str:
        both = [ask(f"List the causes: {query}"), ask(f"List the effects: {query}")]
        if "deserts" in query:
            both += [ask(f"Map them: {query}"), ask(f"Name them: {query}")]
        return " / ".join(both)

    def branch(number: int) -> str:
        return f"Of which deserts, say in {1000 + number}, is nothing known?"

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        fast(f"What of {number} rivers?")
    learned(fast)
    assert "learned from 4 calls" in explain(fast).full()
    for number in range(5):  # The first has the others traced.
        assert fast(branch(number)) == answer(branch(number))
        assert outcomes(fast)[Outcome.HIT] == 1
    eventually(lambda: "learned from 8 calls" in explain(fast).full(), "the second lesson", 10)
    assert fast(branch(9)) == answer(branch(9))
    assert outcomes(fast) == {Outcome.HIT: 2, Outcome.DIRECT: 2}
    assert fast("What of 9 rivers?") == answer("What of 9 rivers?")
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}


def test_a_function_learns_at_a_server_that_another_runtime_has_registered(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)
    register_endpoint(stub.base_url, f"llm:stub@127.0.0.1:{urlsplit(stub.base_url).port}")

    def answer(query: str) -> str:
        return asked(client, f"List the causes: {query}") + asked(client, f"And effects: {query}")

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        fast(question(number))
    learned(fast)
    assert fast(question(9)) == answer(question(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}

"""Objects of the frameworks that no lifter describes run ahead once their calls were learned."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    ConfigurableField,
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnablePassthrough,
)

from ayo_bridge import Runtime, accelerate, explain, stats
from ayo_bridge.learn.live.call import LiveCall
from ayo_bridge.learn.live.worker import worker
from ayo_bridge.learn.tracing.places import current_place
from ayo_bridge.seam import Outcome, current_scope
from tests.adapters.python.programs import (
    learned,
    outcomes,
    overlapped,
    prompts,
    question,
    side_by_side,
)
from tests.deadline import eventually
from tests.differential.langchain_parts import chat
from tests.stub_openai import StubOpenAI

# Clients belong to the objects: these are not closed, and that is not our concern.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def two_views(stub: StubOpenAI, models: int = 1) -> Any:
    """Causes, then effects, of one question: neither needs the other."""
    known = [chat(stub.base_url) for _ in range(models)]

    def part(text: str) -> Any:
        model = known.pop() if len(known) > 1 else known[0]
        return ChatPromptTemplate.from_template(text) | model | (lambda reply: reply.content)

    causes: Any = RunnablePassthrough.assign(causes=part("List the causes of {question}"))
    return causes | RunnablePassthrough.assign(effects=part("List the effects of {question}"))


def asked(number: int) -> dict[str, str]:
    return {"question": question(number)}


def taught(fast: Any, call: Callable[[Any, int], Any], original: Any) -> None:
    """Four calls from which something is learned; each answers as the original does."""
    for number in range(4):
        assert call(fast, number) == call(original, number)
    learned(fast)


def test_a_chain_that_no_lifter_can_help_runs_ahead_after_four_calls(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = two_views(stub)
    fast = accelerate(original, runtime=runtime)
    taught(fast, lambda chain, number: chain.invoke(asked(number)), original)
    with side_by_side(stub):
        answer = fast.invoke(asked(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}
    made = prompts(stub)
    assert answer == original.invoke(asked(9))
    assert prompts(stub) == made + made


def test_a_model_that_every_call_uses_is_asked_before_the_call_itself_has_used_it(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = two_views(stub, models=2)
    fast = accelerate(original, runtime=runtime)
    taught(fast, lambda chain, number: chain.invoke(asked(number)), original)
    assert fast.invoke(asked(9)) == original.invoke(asked(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}


def test_a_model_that_a_branch_chooses_is_not_asked_before_the_call_itself_has_used_it(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    views = two_views(stub, models=2)
    original: Any = RunnableBranch((lambda given: len(given) > 3, str), views)
    fast = accelerate(original, runtime=runtime)
    taught(fast, lambda chain, number: chain.invoke(asked(number)), original)
    assert fast.invoke(asked(9)) == original.invoke(asked(9))
    assert outcomes(fast) == {Outcome.DIRECT: 2}


def test_each_entry_learns_by_itself_and_explain_names_those_that_were_used(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    fast = accelerate(two_views(stub), runtime=runtime)
    assert explain(fast).learning == ("learning (0 of 4 calls)",)
    fast.invoke(asked(0))
    assert explain(fast).learning == ("learning (1 of 4 calls)",)
    fast.batch([asked(1), asked(2)])
    assert explain(fast).learning == (
        *("invoke:", "  learning (1 of 4 calls)"),
        *("batch:", "  learning (1 of 4 calls)"),
    )


def test_explain_says_how_many_calls_are_watched_where_four_show_too_little(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    model = chat(stub.base_url)

    def last_of_two(text: str) -> str:
        return str(model.invoke(str(model.invoke(text).content)).content)

    original: Any = RunnableLambda(last_of_two)
    fast = accelerate(original, runtime=runtime)
    for number in range(4):
        assert fast.invoke(question(number)) == original.invoke(question(number))
    assert explain(fast).learning == ("learning (4 of 6 calls)",)
    eventually(worker.is_idle, "the end of learning", 10)
    assert explain(fast).learning == ("learning (4 of 6 calls)",)
    for number in (4, 5):
        fast.invoke(question(number))
    learned(fast)
    assert explain(fast).learning[0].startswith("learned from 6 calls; running ahead would win")


def test_an_entry_inside_of_a_followed_call_of_its_object_is_not_followed_again(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    model = chat(stub.base_url)
    fast: Any = accelerate(RunnableLambda(lambda text: model.invoke(text).content), runtime=runtime)
    assert list(fast.stream(question(0)))
    assert explain(fast).learning == ("learning (1 of 4 calls)",)
    assert stats(fast).calls == 1


def functions(stub: StubOpenAI) -> Runnable[Any, Any]:
    """The same by functions, which ask for whole answers also while the chain streams."""
    model = chat(stub.base_url)

    def effects(given: dict[str, str]) -> str:
        return str(model.invoke(f"List the effects of {given['question']}").content)

    def causes(given: dict[str, str]) -> str:
        return str(model.invoke(f"List the causes of {given['question']}").content)

    return RunnablePassthrough.assign(effects=effects) | RunnablePassthrough.assign(causes=causes)


def test_a_stream_is_learned_step_by_step(stub: StubOpenAI, runtime: Runtime) -> None:
    original = functions(stub)
    fast = accelerate(original, runtime=runtime)
    taught(fast, lambda chain, number: list(chain.stream(asked(number))), original)
    chunks = []
    with side_by_side(stub):
        for chunk in fast.stream(asked(9)):
            assert current_scope() is None
            assert current_place() is None
            chunks.append(chunk)
    assert chunks == list(original.stream(asked(9)))


async def test_an_asynchronous_stream_is_learned_step_by_step(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = functions(stub)
    fast = accelerate(original, runtime=runtime)
    for number in range(4):
        async for _ in fast.astream(asked(number)):
            assert current_place() is None
    await asyncio.to_thread(learned, fast)
    with side_by_side(stub):
        chunks = [chunk async for chunk in fast.astream(asked(9))]
    assert chunks == [chunk async for chunk in original.astream(asked(9))]


def test_a_stream_that_its_reader_leaves_teaches_nothing_and_keeps_nothing_open(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    fast = accelerate(functions(stub), runtime=runtime)
    stream: Any = fast.stream(asked(0))
    next(stream)
    stream.close()
    assert explain(fast).learning == ("learning (0 of 4 calls)",)
    record = explain(fast).record
    assert record is not None
    assert record.abandoned


async def test_a_stream_that_is_interrupted_while_it_begins_leaves_nothing_ahead(
    stub: StubOpenAI, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = accelerate(functions(stub), runtime=runtime)
    for number in range(4):
        list(fast.stream(asked(number)))
        assert [chunk async for chunk in fast.astream(asked(number))]
    await asyncio.to_thread(learned, fast)
    start = LiveCall.start

    def interrupted(call: LiveCall) -> None:
        start(call)
        raise KeyboardInterrupt

    monkeypatch.setattr(LiveCall, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(fast.stream(asked(9)))
    assert not runtime.client.at_once
    left = fast.astream(asked(9))
    with pytest.raises(KeyboardInterrupt):
        await anext(left)
    assert not runtime.client.at_once


def test_nothing_goes_ahead_of_a_call_that_limits_its_concurrency(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = two_views(stub)
    fast = accelerate(original, runtime=runtime)
    taught(fast, lambda chain, number: chain.invoke(asked(number)), original)
    stub.reset()
    answer = fast.invoke(asked(9), {"max_concurrency": 1})
    assert not overlapped(stub)
    assert answer == original.invoke(asked(9))


def test_nothing_goes_ahead_of_a_batch_whose_inputs_are_of_several_tenants(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    key = ConfigurableField(id="tenant")
    clients: dict[str, Any] = {
        name: chat(stub.base_url, api_key=name) for name in ("one", "two", "three")
    }
    model: Any = clients.pop("one").configurable_alternatives(key, default_key="one", **clients)

    def part(text: str) -> Any:
        return ChatPromptTemplate.from_template(text) | model | (lambda reply: reply.content)

    causes: Any = RunnablePassthrough.assign(causes=part("List the causes of {question}"))
    original = causes | RunnablePassthrough.assign(effects=part("List the effects of {question}"))
    fast = accelerate(original, runtime=runtime)
    configs: list[Any] = [{"configurable": {"tenant": name}} for name in ("one", "two", "three")]
    for number in range(0, 12, 3):
        fast.batch([asked(number + item) for item in range(3)], [configs[0]] * 3)
    learned(fast)
    stub.reset()
    fast.batch([asked(number) for number in (20, 21, 22)], configs)
    names = {"one": question(20), "two": question(21), "three": question(22)}
    assert len(stub.calls) == 6
    assert all(
        names[call.headers["authorization"].split()[1]] in call.prompt for call in stub.calls
    )


STEPS: list[Callable[[str], str]] = [str.strip]


def through_steps(text: str) -> str:
    for step in STEPS:
        text = step(text)
    return text


def test_copies_of_a_learned_object_are_accelerated_and_learn_by_themselves(
    runtime: Runtime,
) -> None:
    original = RunnableLambda(through_steps)
    fast = accelerate(original, runtime=runtime)
    fast.invoke("text")
    copies = (copy.copy(fast), copy.deepcopy(fast), pickle.loads(pickle.dumps(fast)))
    for copied in copies:
        assert type(copied).__qualname__ == "RunnableLambda"
        assert repr(copied) == repr(original)
        assert isinstance(copied, RunnableLambda)
        assert explain(copied).learning == ("learning (0 of 4 calls)",)
        assert copied.invoke("text") == "text"

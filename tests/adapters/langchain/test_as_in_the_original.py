"""What a caller could notice of an accelerated runnable beside its answers."""

import warnings
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnableSequence,
)

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.errors import NotAcceleratedWarning
from ayo_bridge.lift.subclass import state_of
from tests.differential.langchain_parts import chat, multi_query, rag, store
from tests.stub_openai import StubOpenAI

Accelerate = Callable[[Any], Any]


def quietly(obj: Any) -> Any:
    """Accelerate what nothing can be done for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotAcceleratedWarning)
        return accelerate(obj, runtime=Runtime())


def branch() -> Any:
    return RunnableBranch[int, int]((lambda x: x > 0, lambda x: x + 1), lambda x: x - 1)


@pytest.mark.parametrize(
    "make", [branch, lambda: RunnableParallel[dict[str, Any]](a=lambda x: x)], ids=["branch", "map"]
)
def test_a_parametrised_generic_keeps_its_name(make: Callable[[], Any]) -> None:
    original, accelerated = make(), quietly(make())
    assert accelerated.get_name() == original.get_name()
    assert accelerated.get_input_jsonschema() == original.get_input_jsonschema()
    assert accelerated.get_output_jsonschema() == original.get_output_jsonschema()


def test_a_class_that_is_patched_later_is_followed(
    stub: StubOpenAI, fast: Accelerate, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = rag(store().as_retriever(), chat(stub.base_url))
    accelerated = fast(original)
    assert original.invoke("of rivers") == accelerated.invoke("of rivers")
    seen: list[str] = []
    unpatched = RunnableSequence.invoke

    def invoke(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append("called")
        return unpatched(self, *args, **kwargs)

    monkeypatch.setattr(RunnableSequence, "invoke", invoke)
    original.invoke("of rivers")
    expected = len(seen)
    accelerated.invoke("of rivers")
    assert len(seen) == 2 * expected > 0


async def agenerate(chunks: AsyncIterator[Any]) -> AsyncIterator[int]:
    yield 1


def test_a_stream_that_raises_at_the_call_raises_at_the_call() -> None:
    with pytest.raises(NotImplementedError):
        RunnableGenerator(agenerate).stream("x")
    accelerated = quietly(RunnableGenerator(agenerate))
    with pytest.raises(NotImplementedError):
        accelerated.stream("x")


def test_a_stream_does_nothing_before_its_first_step(stub: StubOpenAI, fast: Accelerate) -> None:
    accelerated = fast(rag(multi_query(stub.base_url), chat(stub.base_url)))
    before = len(stub.requests)
    stream = accelerated.stream("of rivers")
    assert isinstance(stream, Generator)
    assert len(stub.requests) == before
    stream.close()
    assert len(stub.requests) == before


def test_a_deep_model_copy_is_accelerated_as_well(stub: StubOpenAI, fast: Accelerate) -> None:
    retriever = fast(multi_query(stub.base_url))
    assert state_of(retriever.model_copy(deep=False)) is not None
    prompt = ChatPromptTemplate.from_template("a {q}")
    assert quietly(prompt).model_copy(deep=True) == prompt.model_copy(deep=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ChatPromptTemplate.from_template("a {q}"),
        lambda: RunnableSequence(ChatPromptTemplate.from_template("a {q}"), StrOutputParser()),
        lambda: RunnableLambda(lambda x: x + 1),
        lambda: RunnableLambda(str.upper),
        lambda: RunnableParallel(a=lambda x: x, b=lambda x: len(x)),
    ],
    ids=["prompt", "prompt and parser", "lambda", "builtin", "parallel"],
)
def test_where_no_engine_can_be_reached_nothing_is_replaced(make: Callable[[], Any]) -> None:
    with pytest.warns(NotAcceleratedWarning, match="no engine is in it"):
        accelerated = accelerate(make(), runtime=Runtime())
    for name in ("invoke", "ainvoke", "stream", "astream", "batch", "abatch"):
        assert name not in vars(type(accelerated)), name


def test_a_function_that_may_reach_an_engine_is_learned_and_said_to_be_unknown(
    stub: StubOpenAI,
) -> None:
    model = chat(stub.base_url)
    accelerated: Any = accelerate(RunnableLambda(model.invoke), runtime=Runtime())
    assert accelerated.invoke("of rivers").content
    assert "learning (1 of 4 calls)" in explain(accelerated).full()
    assert "what a function does is not known" in explain(accelerated).full()

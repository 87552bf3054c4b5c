"""What `accelerate` returns is of the original's type in every respect LangChain asks for."""

import copy
import pickle
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import pytest
from langchain_core.load import dumpd, dumps
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase

from ayo_bridge import Runtime, accelerate, stats
from ayo_bridge.errors import NotAcceleratedWarning
from ayo_bridge.lift.subclass import state_of
from tests.differential.langchain_parts import chat, multi_query, rag, store
from tests.stub_openai import StubOpenAI

Accelerate = Callable[[Any], Any]


def simple(stub: StubOpenAI) -> Any:
    return ChatPromptTemplate.from_template("{question}") | chat(stub.base_url) | StrOutputParser()


def test_its_type_and_its_looks(stub: StubOpenAI, fast: Accelerate) -> None:
    original = simple(stub)
    accelerated = fast(original)
    assert isinstance(accelerated, RunnableSequence)
    assert type(accelerated).__name__ == "RunnableSequence"
    assert repr(accelerated) == repr(original)
    assert accelerated.get_name() == original.get_name()
    assert accelerated == original
    assert original == accelerated
    assert accelerated == fast(original)
    assert accelerated != simple(stub) | StrOutputParser()
    assert accelerated.get_graph().to_json() == original.get_graph().to_json()
    assert accelerated.get_input_jsonschema() == original.get_input_jsonschema()


def test_it_serialises_as_the_original(stub: StubOpenAI, fast: Accelerate) -> None:
    original = simple(stub)
    assert dumps(fast(original)) == dumps(original)
    retriever = multi_query(stub.base_url)
    assert dumpd(fast(retriever))["id"] == dumpd(retriever)["id"]


def test_the_original_is_untouched(stub: StubOpenAI, fast: Accelerate) -> None:
    original = multi_query(stub.base_url)
    before = dict(vars(original)), set(original.model_fields_set)
    accelerated = fast(original)
    accelerated.include_original = True
    accelerated.tags = ["x"]
    assert (dict(vars(original)), set(original.model_fields_set)) == before
    assert state_of(original) is None


def test_it_is_a_retriever_where_one_is_asked_for(stub: StubOpenAI, fast: Accelerate) -> None:
    accelerated = fast(multi_query(stub.base_url))
    assert isinstance(accelerated, BaseRetriever)
    chain = rag(accelerated, chat(stub.base_url))
    original = rag(multi_query(stub.base_url), chat(stub.base_url))
    assert chain.invoke("of rivers") == original.invoke("of rivers")
    assert stats(accelerated).calls == 1


def test_what_pickles_still_does(stub: StubOpenAI) -> None:
    original: Any = RunnableSequence(
        ChatPromptTemplate.from_template("{question}"), StrOutputParser()
    )
    with pytest.warns(NotAcceleratedWarning):
        accelerated = accelerate(original, runtime=Runtime())
    restored = pickle.loads(pickle.dumps(accelerated))
    assert restored == original
    assert state_of(restored) is not None
    with pytest.warns(NotAcceleratedWarning):
        unpicklable = accelerate(RunnableLambda(lambda x: x) | StrOutputParser())
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(unpicklable)


def test_copies_are_accelerated_on_the_same_runtime(
    stub: StubOpenAI, fast: Accelerate, runtime: Runtime
) -> None:
    accelerated = fast(multi_query(stub.base_url))
    for other in (copy.copy(accelerated), accelerated.model_copy(update={"tags": ["t"]})):
        state = state_of(other)
        assert state is not None
        assert state.runtime is runtime
        assert state is not state_of(accelerated)
    assert accelerated.tags is None


def test_bindings_around_it_stay_accelerated(stub: StubOpenAI, fast: Accelerate) -> None:
    accelerated = fast(simple(stub))
    for outer in (
        accelerated.with_config(tags=["t"]),
        accelerated.bind(stop=["x"]),
        accelerated.with_retry(),
        accelerated.with_listeners(),
    ):
        assert isinstance(outer, RunnableBindingBase)
        assert outer.bound is accelerated
    accelerated.with_config(tags=["t"]).invoke({"question": "of rivers"})
    assert stats(accelerated).calls == 1


@pytest.mark.parametrize(
    "compose",
    [
        lambda chain: chain | RunnableLambda(len),
        lambda chain: RunnableLambda(dict) | chain,
        lambda chain: {"question": itemgetter("question")} | chain,
        lambda chain: RunnableSequence(RunnableLambda(dict), RunnablePassthrough()) | chain,
        lambda chain: chain | RunnableSequence(RunnablePassthrough(), RunnableLambda(len)),
        lambda chain: chain.pipe(RunnableLambda(len), name="piped"),
        lambda chain: RunnableSequence(chain, RunnableLambda(len)),
    ],
    ids=["or", "ror", "mapping", "sequence or", "or sequence", "pipe", "constructor"],
)
def test_composition_keeps_acceleration(
    stub: StubOpenAI, fast: Accelerate, compose: Callable[[Any], Any]
) -> None:
    """LangChain takes sequences apart: what it makes of the steps is accelerated instead."""
    original, accelerated = compose(simple(stub)), compose(fast(simple(stub)))
    assert [type(step) for step in accelerated.steps] == [type(step) for step in original.steps]
    assert accelerated.name == original.name
    assert state_of(accelerated) is not None
    assert state_of(original) is None
    asked = {"question": "of rivers"}
    assert accelerated.invoke(asked) == original.invoke(asked)
    assert stats(accelerated).calls == 1


def test_a_retriever_keeps_its_acceleration_in_a_chain(stub: StubOpenAI, fast: Accelerate) -> None:
    accelerated = fast(store().as_retriever())
    chain = accelerated | RunnableLambda(len)
    assert chain.invoke("of rivers") == 4
    assert stats(accelerated).calls == 1


def test_acceleration_nests(stub: StubOpenAI, fast: Accelerate) -> None:
    inner = fast(multi_query(stub.base_url))
    outer = fast(rag(inner, chat(stub.base_url)))
    original = rag(multi_query(stub.base_url), chat(stub.base_url))
    assert outer.invoke("of rivers") == original.invoke("of rivers")
    assert stats(outer).calls == 1
    assert stats(outer).hits > 0
    assert stats(inner).calls == 0, "the outer call's scope serves it"


def test_a_batch_of_a_retriever_has_a_scope_for_each_input(
    stub: StubOpenAI, fast: Accelerate
) -> None:
    accelerated = fast(store().as_retriever())
    assert accelerated.batch(["a", "b", "c"]) == store().as_retriever().batch(["a", "b", "c"])
    assert stats(accelerated).calls == 3


def test_a_batch_of_a_sequence_has_one_scope(stub: StubOpenAI, fast: Accelerate) -> None:
    accelerated = fast(rag(store().as_retriever(), chat(stub.base_url)))
    accelerated.batch(["a", "b", "c"])
    assert stats(accelerated).calls == 1


def test_accelerating_twice_says_so(stub: StubOpenAI, fast: Accelerate) -> None:
    accelerated = fast(simple(stub))
    with pytest.warns(NotAcceleratedWarning):
        assert fast(accelerated) is accelerated

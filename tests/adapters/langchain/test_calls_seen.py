"""The calls that a chain makes itself are counted, also where nothing in it is lifted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_classic.chains.summarize import load_summarize_chain
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda

from ayo_bridge import explain
from tests.differential.langchain_parts import chat
from tests.stub_openai import StubOpenAI


def test_explain_counts_the_calls_of_a_chain_that_is_left_alone(
    stub: StubOpenAI, fast: Callable[[Any], Any]
) -> None:
    chain = fast(load_summarize_chain(chat(stub.base_url), chain_type="refine"))
    assert "RefineDocumentsChain is not known" in explain(chain).full()
    chain.invoke({"input_documents": [Document(page_content=f"Part {n}") for n in range(8)]})
    assert len(stub.calls) == 8
    assert "engine calls, 8" in explain(chain).full()


def test_explain_names_the_model_that_a_function_asks(
    stub: StubOpenAI, fast: Callable[[Any], Any]
) -> None:
    model = chat(stub.base_url)
    chain = fast(RunnableLambda(lambda question: model.invoke(question).content))
    chain.invoke("Why?")
    assert (
        f"llm:{model.model_name}@{stub.root_url.removeprefix('http://')}" in explain(chain).full()
    )

"""Functions that make their index and their engine in each call."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

from ayo_bridge import Runtime, accelerate
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import (
    asks_before_it_stores,
    learned,
    outcomes,
    prompts,
    question,
)
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    gc.collect()


def model(stub: StubOpenAI, key: str) -> OpenAILike:
    return OpenAILike(model="stub", api_base=stub.base_url, api_key=key, is_chat_model=True)


def test_what_an_engine_asks_first_that_is_made_in_the_call_runs_ahead(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    llm, embed_model, splitter = model(stub, "one"), MockEmbedding(8), SentenceSplitter()

    def answer(query: str, document: str) -> str:
        index = VectorStoreIndex.from_documents(
            [Document(text=document)], transformations=[splitter], embed_model=embed_model
        )
        fusion = QueryFusionRetriever([index.as_retriever()], llm=llm, use_async=False)
        return str(RetrieverQueryEngine.from_args(fusion, llm=llm).query(query))

    fast = accelerate(answer, runtime=runtime)
    for number in range(6):
        fast(question(number), f"Document {number}: {question(number + 20)}")
    learned(fast)
    stub.reset()
    expected = answer(question(7), "The last document.")
    asked = prompts(stub)
    assert fast(question(7), "The last document.") == expected
    assert asks_before_it_stores(fast)
    assert prompts(stub) == asked + asked
    llm = model(stub, "two")
    stub.reset()
    fast(question(8), "Another document.")
    assert not asks_before_it_stores(fast)
    assert {each.headers["authorization"] for each in stub.requests} == {"Bearer two"}


def test_batches_of_texts_for_a_server_are_on_their_way_at_once(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    embed_model = OpenAILikeEmbedding(
        model_name="stub", api_base=stub.base_url, api_key="key", embed_batch_size=2
    )
    documents = [Document(text=question(number)) for number in range(7)]

    def index(given: list[Document]) -> Any:
        made = VectorStoreIndex.from_documents(given, embed_model=embed_model)
        return list(made.vector_store.data.embedding_dict.values())  # type: ignore[attr-defined]

    expected = index(documents)
    asked = prompts(stub)
    stub.reset()
    fast = accelerate(index, runtime=runtime)
    assert fast(documents) == expected
    assert prompts(stub) == asked
    assert outcomes(fast)[Outcome.HIT] >= 3

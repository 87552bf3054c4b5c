"""A learned function whose search in Postgres goes ahead, and what follows from its result."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.seam import EngineKind, Outcome
from tests.adapters.llamaindex.stores import make_postgres_store
from tests.adapters.python.programs import TOPICS, asked, client_of, learned, question
from tests.stub_openai import StubOpenAI

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def index(postgres: EmbeddedPostgres, minilm_path: Path) -> Iterator[VectorStoreIndex]:
    store: Any = make_postgres_store(postgres, embed_dim=384)
    embedding = HuggingFaceEmbedding(model_name=str(minilm_path), device="cpu")
    made = VectorStoreIndex.from_vector_store(store, embed_model=embedding)
    made.insert_nodes([TextNode(id_=f"n{i}", text=f"About {t}, {i}") for i, t in enumerate(TOPICS)])
    yield made
    asyncio.run(store.close())


def test_a_search_in_postgres_is_made_ahead_with_what_is_asked_about_its_result(
    index: VectorStoreIndex, runtime: Runtime
) -> None:
    with StubOpenAI(latency=0.05) as stub:
        client = client_of(stub)
        retriever = index.as_retriever(similarity_top_k=2)

        def answer(query: str) -> str:
            polite = asked(client, f"Is this polite? {query}")
            first = asked(client, f"Say it again: {polite}")
            texts = "\n".join(each.text for each in retriever.retrieve(query))
            causes = asked(client, f"{texts}\nList the causes for: {query}")
            more = "\n".join(each.text for each in retriever.retrieve(f"The end of it: {query}"))
            return first + causes + asked(client, f"{more}\nSum it up for: {query}")

        fast = accelerate(answer, runtime=runtime)
        for number in range(6):
            assert fast(question(number)) == answer(question(number))
        learned(fast)
        for number in range(6, 9):
            assert fast(question(number)) == answer(question(number))
        record = explain(fast).record
    assert record is not None
    ahead = Counter(call.kind for call in record.calls if call.outcome is Outcome.HIT)
    assert ahead[EngineKind.VECTOR_STORE] == 2  # Every run of it asks this store.
    assert ahead[EngineKind.LLM] >= 1

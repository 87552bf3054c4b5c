"""What is deterministic is computed once ahead for equal calls; each has a result of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sentence_transformers
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_huggingface import HuggingFaceEmbeddings

from ayo_bridge import Runtime
from ayo_bridge.seam import EngineKind, Outcome
from tests.adapters.python.programs import TOPICS, Ask, asking, client_of, question
from tests.learn.boundaries.arms import ahead, taught
from tests.learn.boundaries.test_embeddings import http_embeddings
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _ensemble(ask: Ask, model: Embeddings) -> Any:
    """Three retrievers that embed the same question by the same model."""
    stores = []
    for kind in ("note", "book", "letter"):
        stores.append(InMemoryVectorStore(model))
        stores[-1].add_texts([f"A {kind} on {topic}." for topic in TOPICS])

    def answer(query: str) -> str:
        tone = ask(f"What tone has this? {query}")
        found = [store.similarity_search(query, k=1)[0].page_content for store in stores]
        return ask(f"In a {tone} tone, from {' '.join(found)}: {query}")

    return answer


def test_three_retrievers_embed_the_same_text_once_ahead_by_a_model_of_this_process(
    stub: StubOpenAI, runtime: Runtime, minilm_path: Path
) -> None:
    model = HuggingFaceEmbeddings(model_name=str(minilm_path), model_kwargs={"device": "cpu"})
    answer = _ensemble(asking(stub), model)
    fast = taught(answer, runtime)
    expected = answer(question(9))
    passes: list[object] = []
    model._client.register_forward_hook(lambda *_: passes.append(None))
    assert fast(question(9)) == expected
    assert len(passes) == 1
    assert ahead(fast)[EngineKind.EMBEDDING, Outcome.HIT] == 3


def test_whoever_changes_a_shared_result_changes_his_own(
    stub: StubOpenAI, runtime: Runtime, minilm_path: Path
) -> None:
    model = sentence_transformers.SentenceTransformer(str(minilm_path), device="cpu")
    ask = asking(stub)

    def answer(query: str) -> list[bytes]:
        tone = ask(f"What tone has this? {query}")
        first, second = model.encode(query), model.encode(query)
        said = [tone.encode(), first.tobytes()]
        first *= 0.0
        return [*said, second.tobytes(), model.encode(query).tobytes()]

    fast = taught(answer, runtime)
    expected = answer(question(9))
    passes: list[object] = []
    model.register_forward_hook(lambda *_: passes.append(None))
    made = fast(question(9))
    assert made == expected
    assert made[1] == made[2] == made[3]
    assert len(passes) == 1
    assert ahead(fast)[EngineKind.EMBEDDING, Outcome.HIT] == 3


def test_a_server_is_asked_once_for_the_same_text(stub: StubOpenAI, runtime: Runtime) -> None:
    answer = _ensemble(asking(stub), http_embeddings(stub))
    fast = taught(answer, runtime)
    expected = answer(question(9))
    stub.requests.clear()
    assert fast(question(9)) == expected
    assert len([r for r in stub.requests if r.path.endswith("embeddings")]) == 1
    assert ahead(fast)[EngineKind.EMBEDDING, Outcome.HIT] >= 2


def test_a_text_that_is_embedded_again_later_is_not_sent_again(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)
    ask = asking(stub)

    def embedded(text: str) -> str:
        made = client.embeddings.create(model="stub-embedding", input=text)
        return str(made.data[0].embedding)

    def answer(query: str) -> str:
        mine = embedded(f"This: {query}")
        ask(f"What tone has this? {query}")
        return mine + embedded(f"Other: {query}") + embedded(f"This: {query}")

    fast = taught(answer, runtime)
    expected = answer(question(9))
    stub.requests.clear()
    assert fast(question(9)) == expected
    texts = [r.body["input"] for r in stub.requests if r.path.endswith("embeddings")]
    assert len(texts) == 2
    assert ahead(fast)[EngineKind.EMBEDDING, Outcome.HIT] == 3

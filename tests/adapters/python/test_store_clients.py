"""Functions that search by the clients of real stores: learned, and never stale."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from langchain_huggingface import HuggingFaceEmbeddings

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.seam import EngineKind, Outcome
from tests.adapters.python.programs import TOPICS, asking, learned, prompts, question
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NOTES = [f"A note on {topic}, the {at}th of this collection." for at, topic in enumerate(TOPICS)]
_names = itertools.count()


@pytest.fixture(scope="module")
def embeddings(minilm_path: Path) -> HuggingFaceEmbeddings:
    return HuggingFaceEmbeddings(model_name=str(minilm_path), model_kwargs={"device": "cpu"})


def chroma(model: HuggingFaceEmbeddings) -> Any:
    import chromadb
    from langchain_chroma import Chroma

    client = chromadb.EphemeralClient()
    return Chroma.from_texts(NOTES, model, collection_name=f"py-{next(_names)}", client=client)


def qdrant(model: HuggingFaceEmbeddings) -> Any:
    from langchain_qdrant import QdrantVectorStore

    return QdrantVectorStore.from_texts(NOTES, model, location=":memory:", collection_name="py")


def _ahead(fast: Any) -> Counter[tuple[EngineKind, Outcome]]:
    record = explain(fast).record
    assert record is not None
    return Counter((call.kind, call.outcome) for call in record.calls)


@pytest.mark.parametrize("make", [chroma, qdrant])
def test_a_search_and_what_is_asked_about_what_it_finds_are_learned(
    make: Any, stub: StubOpenAI, runtime: Runtime, embeddings: HuggingFaceEmbeddings
) -> None:
    ask, store = asking(stub), make(embeddings)

    def answer(query: str) -> str:
        tone = ask(f"What tone has this? {query}")
        notes = store.similarity_search(query, k=2)
        grades = [ask(f"Does this help with '{query}'?\n{note.page_content}") for note in notes]
        return ask(f"In a {tone} tone, from {grades}: {query}")

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        assert fast(question(number)) == answer(question(number))
    learned(fast)
    seen: Counter[tuple[EngineKind, Outcome]] = Counter()
    for number in range(10, 12):
        stub.reset()
        expected = answer(question(number))
        made = prompts(stub)
        assert fast(question(number)) == expected
        assert prompts(stub) == made + made
        seen += _ahead(fast)
    assert seen[EngineKind.LLM, Outcome.HIT] >= 1
    assert seen[EngineKind.EMBEDDING, Outcome.HIT] >= 1
    assert not any(outcome is Outcome.WASTED for _, outcome in seen)
    store.add_texts([question(12)])
    expected = answer(question(12))
    assert fast(question(12)) == expected

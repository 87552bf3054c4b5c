"""Functions that embed and search: learned with the bits of their vectors."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_huggingface import HuggingFaceEmbeddings

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.seam import EngineKind, Outcome
from tests.adapters.python.programs import TOPICS, asking, learned, prompts, question
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def embeddings(minilm_path: Path) -> HuggingFaceEmbeddings:
    return HuggingFaceEmbeddings(model_name=str(minilm_path), model_kwargs={"device": "cpu"})


@pytest.fixture
def store(embeddings: HuggingFaceEmbeddings) -> InMemoryVectorStore:
    made = InMemoryVectorStore(embeddings)
    made.add_documents(
        [
            Document(
                id=f"note-{at}",
                page_content=f"A note on {topic}, the {at}th of this collection.",
                metadata={"page": 10 + at},
            )
            for at, topic in enumerate(TOPICS)
        ]
    )
    return made


def _ahead(fast: Any) -> Counter[tuple[EngineKind, Outcome]]:
    record = explain(fast).record
    assert record is not None
    return Counter((call.kind, call.outcome) for call in record.calls)


def test_what_is_embedded_searched_and_asked_is_learned_and_the_answers_are_equal(
    stub: StubOpenAI, runtime: Runtime, store: InMemoryVectorStore
) -> None:
    ask = asking(stub)

    def answer(query: str) -> str:
        tone = ask(f"What tone has this? {query}")
        notes = store.similarity_search(query, k=3)
        grades = [ask(f"Does this help with '{query}'?\n{note.page_content}") for note in notes]
        pages = [note.metadata["page"] for note in notes]
        return ask(f"In a {tone} tone, from {json.dumps(grades)} on {pages}: {query}")

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        assert fast(question(number)) == answer(question(number))
    learned(fast)
    for number in range(10, 13):
        stub.reset()
        expected = answer(question(number))
        made = prompts(stub)
        assert fast(question(number)) == expected
        assert prompts(stub) == made + made
        seen = _ahead(fast)
        assert seen[EngineKind.LLM, Outcome.HIT] >= 2
        assert seen[EngineKind.EMBEDDING, Outcome.HIT] == 1
        assert not any(outcome is Outcome.WASTED for _, outcome in seen)


def test_what_was_found_before_the_store_changed_is_not_taken(
    stub: StubOpenAI, runtime: Runtime, store: InMemoryVectorStore
) -> None:
    ask = asking(stub)
    added = 0

    def answer(query: str) -> str:
        nonlocal added
        ask(f"What tone has this? {query}")
        if "2" in query:
            added += 1
            store.add_documents([Document(id=f"new-{added}", page_content=query)])
        return "\n".join(note.page_content for note in store.similarity_search(query, k=2))

    fast = accelerate(answer, runtime=runtime)
    for number in range(6):
        fast(question(number))
    query = "What is new of the year 2222?"
    assert fast(query).splitlines()[0] == query

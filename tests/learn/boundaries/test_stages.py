"""A long list of texts is embedded in stages, and what was embedded is searched with meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
from langchain_core.vectorstores import InMemoryVectorStore, in_memory
from langchain_huggingface import HuggingFaceEmbeddings

from ayo_bridge import Runtime, accelerate
from ayo_bridge.bindings.sentence_transformer import _cut
from ayo_bridge.engines.sentence_transformer import EmbeddingModel, embedding_call
from ayo_bridge.profile import EngineProfile
from ayo_bridge.profile.curve import Curve
from ayo_bridge.seam import Answer, EngineKind, Outcome
from tests.adapters.python.programs import TOPICS, asking, learned, question
from tests.learn.boundaries.arms import ahead
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
BEST = 8


def _parts(request: Any) -> str:
    words = request.prompt.split()
    return "\n".join(f"{words[-1]} {words[at % 9]} {at}" for at in range(20 + len(words[-2]) % 3))


@pytest.fixture(scope="module")
def model(minilm_path: Path) -> sentence_transformers.SentenceTransformer:
    return sentence_transformers.SentenceTransformer(str(minilm_path), device="cpu")


@pytest.mark.parametrize("kind", ["numpy", "tensor"])
def test_a_call_in_stages_gives_what_the_whole_gives_and_tells_all_parts_but_the_last(
    model: Any, kind: str
) -> None:
    texts = [f"{topic} {'and more ' * at}" for at, topic in enumerate(TOPICS)]
    options = {"convert_to_tensor": kind == "tensor"}
    whole = model.encode(texts, **options)
    told: list[Answer] = []
    call = _cut(embedding_call("e", model, texts, options), 3, told.append)
    made: Any = EmbeddingModel("e").run([call])[0]
    assert type(made) is type(whole)
    assert made.dtype == whole.dtype
    assert made.shape == whole.shape
    assert np.abs(np.asarray(made) - np.asarray(whole)).max() < 1e-6
    rows = [row for part in told for row in part.vectors]
    assert rows == [tuple(map(float, row)) for row in np.asarray(made)[:6]]


def test_a_call_whose_vectors_depend_on_its_batch_is_not_cut(model: Any) -> None:
    whole = embedding_call("e", model, list(TOPICS), {"precision": "int8"})
    assert _cut(whole, 3, lambda part: None) is whole


def test_what_was_embedded_is_searched_with_while_the_rest_is_embedded(
    stub: StubOpenAI,
    runtime: Runtime,
    minilm_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    similarity = vars(in_memory)["cosine_similarity"]

    def slow(*args: Any) -> Any:
        seen.append("search")
        time.sleep(0.02)
        return similarity(*args)

    monkeypatch.setattr(in_memory, "cosine_similarity", slow)
    embeddings = HuggingFaceEmbeddings(model_name=str(minilm_path), model_kwargs={"device": "cpu"})
    model, store = embeddings._client, InMemoryVectorStore(embeddings)
    store.add_texts([f"A note on {topic}." for topic in TOPICS])
    stub.reply_when("Name the parts", text=_parts)
    ask = asking(stub)

    def answer(query: str) -> str:
        # Nothing is searched ahead in a store that this very call has not searched itself.
        first = store.similarity_search(query, k=1)[0]
        parts = ask(f"Name the parts of {query}").split("\n")
        tone = ask(f"What tone has this? {query}")
        vectors = model.encode(parts)
        found = [store.similarity_search_by_vector(v.tolist(), k=1)[0] for v in vectors]
        tone += first.page_content
        return tone + " ".join(each.page_content for each in found)

    fast = accelerate(answer, runtime=runtime)
    fast(question(0))
    (engine,) = [s.engine.name for s in runtime.schedulers if s.engine.kind is EngineKind.EMBEDDING]
    curve = Curve.of([(1, 0.005), (BEST, 0.03), (64, 0.24)])
    runtime.profiles.publish(engine, EngineProfile("embedding", curve, BEST))
    monkeypatch.setattr(runtime.profiles, "observe", lambda call: None)  # It stays as it is.
    for number in range(1, 4):
        fast(question(number))
    learned(fast)
    for number in range(8, 10):
        expected = answer(question(number))
        seen.clear()
        handle = model.register_forward_hook(lambda *_: seen.append("embedded"))
        assert fast(question(number)) == expected
        handle.remove()
    assert seen.count("embedded") == 4  # The question, and three stages.
    last = len(seen) - seen[::-1].index("embedded")
    assert seen[:last].count("search") > 1
    assert ahead(fast)[EngineKind.EMBEDDING, Outcome.HIT] == 1

"""Cross-encoders of this process are followed as pairs of texts, and asked ahead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentence_transformers
from langchain_classic.retrievers.document_compressors import CrossEncoderReranker
from langchain_classic.retrievers.document_compressors.cross_encoder import BaseCrossEncoder
from langchain_core.documents import Document
from llama_index.core.postprocessor import SentenceTransformerRerank
from llama_index.core.schema import NodeWithScore, TextNode

from ayo_bridge import Runtime, explain
from ayo_bridge.bindings.sentence_transformer import _ranked
from ayo_bridge.seam import EngineKind, Outcome
from tests.adapters.python.programs import asked, client_of
from tests.learn.boundaries.arms import ahead, equal_arms, taught
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
Rank = Callable[[str, list[str]], list[str]]


class _Scored(BaseCrossEncoder):
    """What LangChain's own class for models of Hugging Face is."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        scores = self._model.predict(text_pairs)
        return [float(score) for score in scores]


def _langchain(path: Path) -> Rank:
    model = _Scored(sentence_transformers.CrossEncoder(str(path), device="cpu"))
    compressor = CrossEncoderReranker(model=model, top_n=2)

    def ranked(query: str, texts: list[str]) -> list[str]:
        documents = [Document(text) for text in texts]
        return [each.page_content for each in compressor.compress_documents(documents, query)]

    return ranked


def _llama_index(path: Path) -> Rank:
    reranker = SentenceTransformerRerank(model=str(path), top_n=2, device="cpu")

    def ranked(query: str, texts: list[str]) -> list[str]:
        nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in texts]
        found = reranker.postprocess_nodes(nodes, query_str=query)
        return [each.get_content() for each in found]

    return ranked


def _four_notes(request: Any) -> str:
    words = request.prompt.split()[-4:]
    return "\n".join(f"A note that {word} is number {at}" for at, word in enumerate(words))


@pytest.mark.parametrize("ranking", [_langchain, _llama_index])
def test_what_is_reranked_is_made_ahead_and_its_order_is_known_then(
    stub: StubOpenAI,
    runtime: Runtime,
    cross_encoder_path: Path,
    ranking: Callable[[Path], Rank],
) -> None:
    client, rank = client_of(stub), ranking(cross_encoder_path)
    stub.reply_when("four notes", text=_four_notes)

    def answer(query: str) -> str:
        notes = asked(client, f"Write four notes on {query}").splitlines()
        tone = asked(client, f"What tone has this? {notes[0]}")
        best = rank(query, notes)
        title = asked(client, f"Find a title for this: {notes[1]}")
        return asked(client, f"{title}, {tone}, from {best[0]} and {best[1]}: {query}")

    fast = taught(answer, runtime)
    equal_arms(fast, answer, stub, 9)
    made = ahead(fast)
    assert made[EngineKind.RERANKER, Outcome.HIT] == 1
    assert not any(outcome is Outcome.WASTED for _, outcome in made)
    assert "(rerank): learned" in explain(fast).full()
    assert "{item of site 3" in explain(fast).full()


def test_texts_are_ranked_as_the_frameworks_rank_them() -> None:
    texts = ["first", "second", "third", "fourth"]
    found = _ranked(False, texts, [0.5, 0.9, 0.5, 0.7]).items
    assert found is not None
    assert [item.text for item in found] == ["second", "fourth", "first", "third"]
    with pytest.raises(ValueError, match="no scores"):
        _ranked(False, texts, [[0.5, 0.1]] * 4)
    with pytest.raises(ValueError, match="no scores"):
        _ranked(False, texts, [0.5])

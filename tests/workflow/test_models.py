"""Models of sentence-transformers in native workflows."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ayo_bridge.errors import PrimitiveError
from ayo_bridge.graph import Indexing, Reranking, Searching
from ayo_bridge.workflow import App, Result
from ayo_bridge.workflow.engines import CrossEncoderReranker, Embedder, MemoryStore

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

pytestmark = pytest.mark.real

DOCUMENTS = [
    "Parse command line arguments and print a help text.",
    "Read and write files of comma separated values.",
    "Run coroutines concurrently on an event loop.",
    "Compress a directory into a ZIP archive.",
    "Send a log record to several handlers.",
]
RETRIEVAL = (
    Indexing(name="index", embedding="embedding", store="store")
    >> Searching(name="search", embedding="embedding", store="store", top_k=3)
    >> Reranking(name="rerank", reranker="reranker", candidates=3, top_n=2)
)


@pytest.fixture(scope="module")
def model(minilm_path: Path) -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(minilm_path), device="cpu")


@pytest.fixture(scope="module")
def cross_encoder(cross_encoder_path: Path) -> "CrossEncoder":
    from sentence_transformers import CrossEncoder

    return CrossEncoder(str(cross_encoder_path), device="cpu")


async def run(model: Any, cross_encoder: Any, questions: list[str]) -> list[Result]:
    async with App() as app:
        app.register(Embedder("embedding", model, max_items=4))
        app.register(CrossEncoderReranker("reranker", cross_encoder, max_items=4))
        app.register(MemoryStore("store"))
        inputs = [{"question": each, "documents": DOCUMENTS} for each in questions]
        return await asyncio.gather(*(app.submit(each, RETRIEVAL) for each in inputs))


async def test_real_models_find_what_is_asked_for(
    model: "SentenceTransformer", cross_encoder: "CrossEncoder"
) -> None:
    questions = ["How is a CSV file read?", "How do I zip a folder?", "How do I run two tasks?"]
    results = await run(model, cross_encoder, questions)
    best = [result["search.hits"][0] for result in results]  # type: ignore[index]
    assert best == [DOCUMENTS[1], DOCUMENTS[3], DOCUMENTS[2]]
    for question, result in zip(questions, results, strict=True):
        hits = result["search.hits"]
        ranked = result["rerank.ranked"]
        assert isinstance(hits, list)
        assert isinstance(ranked, list)
        scores = cross_encoder.predict([(question, hit) for hit in hits])
        wanted = sorted(zip(scores, hits, strict=True), reverse=True)[:2]
        assert [item.text for item in ranked] == [text for _, text in wanted]
        assert [item.score for item in ranked] == pytest.approx([s for s, _ in wanted], abs=1e-6)


async def test_texts_of_many_queries_share_batches(
    model: "SentenceTransformer", cross_encoder: "CrossEncoder"
) -> None:
    results = await run(model, cross_encoder, [f"question {i}" for i in range(8)])
    assert max(result.timings["search.embed"].batch for result in results) > 1


async def test_a_model_that_fails_is_named(
    model: "SentenceTransformer", cross_encoder: "CrossEncoder"
) -> None:
    async with App() as app:
        app.register(Embedder("embedding", model, prompt_name="no such prompt"))
        app.register(MemoryStore("store"))
        search = Searching(name="search", embedding="embedding", store="store")
        with pytest.raises(PrimitiveError, match=r"'search.embed'.*'embedding'.*no such prompt"):
            await app.submit({"question": "why?"}, search)

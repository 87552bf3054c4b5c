"""Nodes are embedded as soon as all that is embedded of them is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.extractors import KeywordExtractor, SummaryExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike

from ayo_bridge import Runtime, accelerate, stats
from ayo_llamaindex import extraction
from ayo_llamaindex.indexing import IndexGuide
from tests.stub_openai import StubOpenAI, StubRequest

TEXTS = [f"Part {number}: the reed by the river." for number in range(12)]


def _is_last_or_embeds(request: StubRequest) -> bool:
    return request.path.endswith("/embeddings") or TEXTS[-1] in request.prompt


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    """A server that answers for the last node once it is asked to embed, and not before."""
    with StubOpenAI(latency=0.005) as made:
        yield made


@pytest.fixture
def parts(stub: StubOpenAI) -> Iterator[tuple[Any, Any]]:
    """An extractor and an embedding model."""
    given: dict[str, Any] = {"api_base": stub.base_url, "api_key": "key", "max_retries": 0}
    llm = OpenAILike(model="stub", is_chat_model=True, **given)
    model = OpenAILikeEmbedding(model_name="stub-embedding", embed_batch_size=4, **given)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with closing(loop):
        yield KeywordExtractor(llm=llm, show_progress=False, num_workers=2), model
        for each in (llm, model):
            if each._aclient is not None:
                loop.run_until_complete(each._aclient.close())
        asyncio.set_event_loop(None)


def _index(extractor: Any, model: Any, *more: Any) -> Callable[[list[Document]], Any]:
    def index(documents: list[Document]) -> Any:
        return VectorStoreIndex.from_documents(
            documents, transformations=[SentenceSplitter(), extractor, *more], embed_model=model
        ).vector_store

    return index


def _run(extractor: Any, model: Any, *more: Any) -> Callable[[list[Document]], Any]:
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(), extractor, *more, model], disable_cache=True
    )

    def run(documents: list[Document]) -> Any:
        return pipeline.run(documents=documents)

    return run


@pytest.mark.parametrize("build", [_index, _run])
def test_batches_are_embedded_before_all_extractors_have_answered(
    stub: StubOpenAI, parts: tuple[Any, Any], runtime: Runtime, build: Callable[..., Any]
) -> None:
    documents = [Document(id_=f"{at}", text=text) for at, text in enumerate(TEXTS)]
    function = build(*parts)
    expected = function(documents)
    requests = len(stub.requests)
    stub.reply_when(_is_last_or_embeds, together=2)
    assert _vectors(accelerate(function, runtime=runtime)(documents)) == _vectors(expected)
    fast = stub.requests[requests:]
    assert len(fast) == requests == len(TEXTS) + 3
    last = next(each for each in fast if TEXTS[-1] in each.prompt)
    first = next(each for each in fast if each.path.endswith("/embeddings"))
    assert first.arrived < (last.ended or 0.0)


def _vectors(found: Any) -> list[Any]:
    """What was embedded; ids are drawn at random."""
    nodes = getattr(found, "data", None)
    return [each.embedding for each in found] if nodes is None else [*nodes.embedding_dict.values()]


@pytest.mark.parametrize("build", [_index, _run])
def test_a_server_that_does_not_embed_is_no_reason_to_ask_extractors_later(
    parts: tuple[Any, Any],
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    build: Callable[..., Any],
) -> None:
    monkeypatch.setattr(extraction, "WINDOWS", (8, 8))  # Or all are on their way by then.
    extractor, model = parts
    model.embed_batch_size = 1
    again = SummaryExtractor(llm=extractor.llm, show_progress=False, num_workers=2)
    with StubOpenAI(latency=0.005) as other:
        model.api_base = other.base_url
        function = build(extractor, model, again)
        documents = [Document(id_=f"{at}", text=f"The reed {at}.") for at in range(40)]
        expected = _vectors(function(documents))
        other.reply_when(lambda _: True, status=503, times=1)
        fast = accelerate(function, runtime=runtime)
        assert _vectors(fast(documents)) == expected
    assert stats(fast).hits >= 70


def test_what_cannot_be_followed_is_the_originals_own(
    parts: tuple[Any, Any], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = _index(*parts)
    documents = [Document(id_=f"{at}", text=text) for at, text in enumerate(TEXTS)]
    expected = _vectors(function(documents))

    def fails(guide: IndexGuide, transformations: object, nodes: object) -> None:
        raise LookupError("nothing is known of it")

    monkeypatch.setattr(IndexGuide, "transformed", fails)
    fast = accelerate(function, runtime=runtime)
    assert _vectors(fast(documents)) == expected

"""The models and clients that the programs are made of, as LlamaIndex's documentation has them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import httpx
from llama_index.core.node_parser import SentenceSplitter
from llama_index.llms.openai_like import OpenAILike

from benchmarks.apps.rerank import ServedRerank
from benchmarks.apps.settings import Settings

RESULTS = 4
"""Of a web search (paper, Fig. 8)."""


def llm(settings: Settings, *, context_window: int = 8192, max_tokens: int | None = None) -> Any:
    """A chat model behind an OpenAI-compatible server."""
    return OpenAILike(
        model=settings.model,
        api_base=settings.base_url,
        api_key="none",
        is_chat_model=True,
        context_window=context_window,
        max_tokens=max_tokens or settings.answer_tokens,
        temperature=0.0,
        timeout=600.0,
    )


def splitter(settings: Settings) -> Any:
    """Cuts documents into chunks."""
    return SentenceSplitter(chunk_size=settings.chunk_tokens, chunk_overlap=settings.chunk_overlap)


def embedding(settings: Settings, *, batch: int = 10) -> Any:
    """A model that embeds, ``batch`` texts at a time (LlamaIndex's default)."""
    if settings.embedding_url:
        from llama_index.embeddings.openai_like import OpenAILikeEmbedding

        return OpenAILikeEmbedding(
            model_name=settings.embedding,
            api_base=settings.embedding_url,
            api_key="none",
            embed_batch_size=batch,
            timeout=600.0,
        )
    return _loaded(settings.embedding, batch)


@cache
def _loaded(name: str, batch: int) -> Any:
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    return HuggingFaceEmbedding(model_name=name, embed_batch_size=batch)


def reranker(settings: Settings, *, top_n: int) -> Any:
    """Keeps the ``top_n`` passages that fit a question best."""
    if settings.reranker_url:
        return ServedRerank(model=settings.reranker, url=settings.reranker_url, top_n=top_n)
    from llama_index.postprocessor.sbert_rerank import SentenceTransformerRerank

    return SentenceTransformerRerank(model=settings.reranker, top_n=top_n)


def web(settings: Settings) -> Callable[[str], list[str]]:
    """Searches the web: a question gives texts."""
    client = httpx.Client(timeout=60.0)

    def search(question: str) -> list[str]:
        reply = client.post(settings.web, json={"q": question, "num": RESULTS})
        reply.raise_for_status()
        return [hit["snippet"] for hit in reply.json()["organic"]]

    return search

"""The models and clients that the programs are made of, as LlamaIndex's documentation has them."""

from __future__ import annotations

from functools import cache
from typing import Any

from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.llms.openai_like import OpenAILike

from benchmarks.apps.settings import Settings


def llm(settings: Settings, *, context_window: int = 4096, max_tokens: int | None = None) -> Any:
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


def splitter(settings: Settings) -> SentenceSplitter:
    """Cuts documents into chunks."""
    return SentenceSplitter(chunk_size=settings.chunk_tokens, chunk_overlap=settings.chunk_overlap)


@cache
def embedding(name: str) -> Any:
    """A model that embeds, in this process; loaded once."""
    return HuggingFaceEmbedding(model_name=name)

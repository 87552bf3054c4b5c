"""What the programs run on, from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Settings:
    """Servers and models, and how much one question is. Tokens are those of LlamaIndex's splitter.

    Args:
        base_url: of an OpenAI-compatible server (``OPENAI_BASE_URL``).
        uncached_url: one of equal costs without prefix caching, which LlamaDist is defined by
            (``OPENAI_BASE_URL_UNCACHED``); empty: LlamaDist asks the first.
        model: that they serve (``LLM_MODEL``).
        embedding: a model of sentence-transformers, or what a server calls it
            (``EMBEDDING_MODEL``).
        embedding_url: an OpenAI-compatible server of it (``EMBEDDING_URL``); empty: it is loaded
            into this process.
        reranker: a cross-encoder (``RERANKER_MODEL``), or what a server calls it.
        reranker_url: a server whose ``/rerank`` is Cohere's (``RERANKER_URL``); empty: in this
            process.
        web: the address of a search service (``SEARCH_URL``).
        chunk_tokens: of a chunk, in the paper 256, ``chunk_overlap`` of them those of the last.
        answer_tokens: the most that an answer has.
    """

    base_url: str
    model: str = "stub"
    embedding: str = "sentence-transformers/all-MiniLM-L6-v2"
    embedding_url: str = ""
    reranker: str = "cross-encoder/ms-marco-MiniLM-L-6-v2"
    reranker_url: str = ""
    web: str = ""
    chunk_tokens: int = 256
    chunk_overlap: int = 30
    answer_tokens: int = 192
    uncached_url: str = ""

    @classmethod
    def from_environment(cls) -> Self:
        """The settings that variables name.

        Raises:
            KeyError: ``OPENAI_BASE_URL`` is not set.
        """
        env = os.environ
        return cls(
            base_url=env["OPENAI_BASE_URL"],
            model=env.get("LLM_MODEL", cls.model),
            embedding=env.get("EMBEDDING_MODEL", cls.embedding),
            embedding_url=env.get("EMBEDDING_URL", ""),
            reranker=env.get("RERANKER_MODEL", cls.reranker),
            reranker_url=env.get("RERANKER_URL", ""),
            web=env.get("SEARCH_URL", ""),
            uncached_url=env.get("OPENAI_BASE_URL_UNCACHED", ""),
        )

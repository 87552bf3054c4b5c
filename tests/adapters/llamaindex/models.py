"""LLMs whose clients are there, and what asks by them."""

from __future__ import annotations

from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import TextNode
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike


def model(cls: type[OpenAILike] = OpenAILike, **settings: Any) -> Any:
    """An LLM that has made both of its clients, as after the first calls of either kind."""
    chosen = {"api_key": "key", "is_chat_model": True, **settings}
    llm = cls(model="stub", api_base="http://localhost:9/v1", **chosen)
    llm._client, llm._aclient = llm._get_client(), llm._get_aclient()
    return llm


def embedding() -> Any:
    """An embedding model with its clients."""
    served = OpenAILikeEmbedding(
        model_name="stub", api_base="http://localhost:9/v1", api_key="embedding"
    )
    served._client, served._aclient = served._get_client(), served._get_aclient()
    return served


def clients(*models: Any) -> set[int]:
    """Their identities."""
    return {id(client) for each in models for client in (each._client, each._aclient)}


def index_of(*texts: str) -> Any:
    """An index of texts, embedded in this process."""
    nodes = [TextNode(text=text, id_=text) for text in texts or ("a", "b")]
    return VectorStoreIndex(nodes, embed_model=MockEmbedding(4))

"""A model of LlamaIndex that a stub serves."""

from __future__ import annotations

from typing import Any

from llama_index.llms.openai_like import OpenAILike


def openai_like(url: str, **options: Any) -> OpenAILike:
    """A chat model that makes no retries of its own; with other settings where these are given."""
    given = {"model": "stub", "api_base": url, "api_key": "key", "is_chat_model": True}
    return OpenAILike(**{**given, "max_retries": 0, **options})

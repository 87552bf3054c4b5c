"""The objects that hazards are tried on."""

from __future__ import annotations

from typing import Any

from llama_index.core.response_synthesizers import ResponseMode

from tests.differential import llama_index_parts as parts
from tests.differential.harness import Env


def tree(env: Env, *, top_k: int = 4, **options: Any) -> Any:
    """A fan-out: a call a note, then one over their answers."""
    return parts.engine(env, ResponseMode.TREE_SUMMARIZE, chunk=64, top_k=top_k, **options)


def generation(env: Env, **options: Any) -> Any:
    """One call, which runs ahead from the start."""
    return parts.engine(env, ResponseMode.GENERATION, **options)


def streaming(env: Env, **options: Any) -> Any:
    """A stream, whose request is made when it is first read."""
    env.streaming = True
    return generation(env, model=parts.llm(env, max_tokens=400), **options)

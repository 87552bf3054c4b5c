"""RetrieverQueryEngine by response mode, kind of LLM and number of chunks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import VectorIndexRetriever

from tests.differential import llama_index_parts as parts
from tests.differential.harness import Case, Env

ALL = ("query", "aquery", "stream", "astream")
SYNC = ("query", "stream")
PLAIN = ("query", "aquery")
EIGHT = 64
"""Tokens of context in one prompt: each of eight notes needs one of its own."""


def _mode(
    name: str,
    mode: ResponseMode,
    *,
    chunk: int | None = None,
    requests: int | None = None,
    top_k: int = 8,
    entries: Sequence[str] = ALL,
    ahead: Sequence[str] = (),
) -> list[Case]:
    """A row for the chat endpoint, and one for plain completions: another request, made and read
    by the same code, so that two of the entries show it."""

    def build(env: Env, chat: bool) -> Any:
        return parts.engine(env, mode, chunk=chunk, top_k=top_k, model=parts.llm(env, chat=chat))

    return [
        Case(
            f"{name}-{'chat' if chat else 'completion'}",
            partial(build, chat=chat),
            entries=entries if chat else ("query", "astream"),
            requests=requests,
            ahead=ahead,
        )
        for chat in (True, False)
    ]


MODES = [
    *_mode("refine", ResponseMode.REFINE, requests=8),
    *_mode("refine-one-chunk", ResponseMode.REFINE, requests=1, top_k=1),
    *_mode("compact", ResponseMode.COMPACT, requests=1),
    *_mode("compact-many", ResponseMode.COMPACT, chunk=EIGHT),
    *_mode("tree-one-chunk", ResponseMode.TREE_SUMMARIZE, requests=1),
    *_mode("tree", ResponseMode.TREE_SUMMARIZE, chunk=EIGHT, top_k=4, ahead=SYNC),
    *_mode("tree-levels", ResponseMode.TREE_SUMMARIZE, chunk=EIGHT, ahead=SYNC),
    *_mode("simple", ResponseMode.SIMPLE_SUMMARIZE, requests=1),
    *_mode("accumulate", ResponseMode.ACCUMULATE, requests=8, ahead=SYNC[:1]),
    *_mode("accumulate-split", ResponseMode.ACCUMULATE, chunk=40),
    *_mode("compact-accumulate", ResponseMode.COMPACT_ACCUMULATE, chunk=EIGHT * 2),
    *_mode("generation", ResponseMode.GENERATION, requests=1, ahead=PLAIN),
    *_mode("no-text", ResponseMode.NO_TEXT, requests=0),
    *_mode("context-only", ResponseMode.CONTEXT_ONLY, requests=0),
]


def _asynchronous(env: Env, mode: ResponseMode, chunk: int) -> Any:
    model = parts.llm(env, reuse_client=False)
    return parts.engine(env, mode, chunk=chunk, top_k=4, use_async=True, model=model)


def _without_notes(env: Env, mode: ResponseMode) -> Any:
    empty = VectorStoreIndex([], embed_model=parts.mock_embedding())
    return parts.engine(env, mode, source=VectorIndexRetriever(empty))


ASYNC_INSIDE = [
    Case(
        f"{name}-use-async",
        partial(_asynchronous, mode=mode, chunk=chunk),
        entries=("query", "aquery"),
    )
    for name, mode, chunk in (
        ("tree", ResponseMode.TREE_SUMMARIZE, EIGHT),
        ("accumulate", ResponseMode.ACCUMULATE, EIGHT),
        ("compact-accumulate", ResponseMode.COMPACT_ACCUMULATE, EIGHT * 2),
    )
]
EMPTY = [
    Case(
        f"empty-{mode.value}",
        partial(_without_notes, mode=mode),
        entries=("query", "astream"),
    )
    for mode in (
        ResponseMode.REFINE,
        ResponseMode.COMPACT,
        ResponseMode.TREE_SUMMARIZE,
        ResponseMode.ACCUMULATE,
        ResponseMode.SIMPLE_SUMMARIZE,
        ResponseMode.GENERATION,
        ResponseMode.NO_TEXT,
        ResponseMode.CONTEXT_ONLY,
    )
]


ROWS = [*MODES, *ASYNC_INSIDE, *EMPTY]

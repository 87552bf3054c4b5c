"""LangChain applications over stores whose clients are followed, with and without filters."""

from __future__ import annotations

from functools import partial
from typing import Any

from langchain_classic.retrievers import MultiQueryRetriever
from langchain_core.runnables import Runnable

from tests.differential import langchain_parts as parts
from tests.differential.harness import Case, Env
from tests.differential.langchain_stores import STORES, close_stores

QUESTIONS = ("What of rivers?", "And of gardens?")
_ENTRIES = {"pg-collections": ("invoke", "stream")}
"""Without an async engine it cannot be awaited."""


def _store(env: Env, name: str) -> Any:
    made, _ = STORES[name]
    if name not in _made:
        _made[name] = made(env, parts.embeddings())
    store = _made[name]
    if name == "milvus":  # It keeps an awaited client, which belongs to one loop.
        store._async_milvus_client = None
    return store


_made: dict[str, Any] = {}
"""Filled once: nothing is written to them."""


def close() -> None:
    """Nobody asks them any more."""
    _made.clear()
    close_stores()


def multi(env: Env, name: str, filtered: bool) -> Runnable[Any, Any]:
    """Searches with queries that an LLM writes."""
    _, filters = STORES[name]
    settings = {"k": 3, **(filters() if filtered else {})}
    return MultiQueryRetriever.from_llm(
        _store(env, name).as_retriever(search_kwargs=settings),
        parts.chat(env.stub.base_url),
        include_original=True,
    )


ROWS = [
    Case(
        f"{name}-filtered" if filtered else name,
        partial(multi, name=name, filtered=filtered),
        queries=QUESTIONS,
        entries=("invoke",) if filtered else _ENTRIES.get(name, ("invoke", "ainvoke", "stream")),
        script=parts.writes_queries,
        ahead=("invoke", "stream"),
        proven=True,
        frugal=True,
        real=True,
    )
    for name in STORES
    for filtered in (False, True)
]

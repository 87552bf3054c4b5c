"""LangChain applications by entry: a chain, a retriever whose queries an LLM writes, both."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from langchain_core.runnables import Runnable

from tests.differential import langchain_parts as parts
from tests.differential.harness import Case, Env
from tests.differential.langchain import Ask
from tests.stub_openai import StubOpenAI

ENTRIES = ("invoke", "ainvoke", "stream", "astream", "batch", "abatch")
ONCE = ("invoke", "ainvoke")
QUESTIONS = ("What of rivers?", "And of gardens?")


def chain(env: Env) -> Runnable[Any, Any]:
    """The canonical one."""
    url = env.stub.base_url
    return parts.rag(parts.store().as_retriever(), parts.chat(url))


def multi(env: Env, *, include_original: bool = False) -> Runnable[Any, Any]:
    """Searches with queries that an LLM writes."""
    return parts.multi_query(env.stub.base_url, include_original=include_original)


with_original = partial(multi, include_original=True)


def multi_in_chain(env: Env) -> Runnable[Any, Any]:
    """The retriever in the chain."""
    return parts.rag(multi(env, include_original=True), parts.chat(env.stub.base_url))


_MULTIPLE: dict[str, Callable[[Env], Any]] = {
    "multi": multi,
    "multi-with-original": with_original,
    "multi-in-chain": multi_in_chain,
}
APPLICATIONS = [
    Case(
        "chain",
        chain,
        queries=QUESTIONS,
        entries=(*ENTRIES, "astream_events"),
        script=parts.writes_queries,
    ),
    # The retriever that searches for the question too is in the chain: by all entries there.
    *(
        Case(
            name,
            build,
            queries=QUESTIONS,
            entries=ONCE if build is with_original else ENTRIES,
            script=parts.writes_queries,
        )
        for name, build in _MULTIPLE.items()
    ),
]
PROVEN = [
    Case(
        f"{name}-proven",
        build,
        queries=(*QUESTIONS, "What of letters?"),
        entries=ENTRIES,
        script=parts.writes_queries,
        ahead=("invoke", "stream"),
        proven=True,
        frugal=True,
    )
    for name, build in _MULTIPLE.items()
]


def _lines(count: int) -> Callable[[StubOpenAI], object]:
    text = " \n\n".join(f"query {number} of rivers" for number in range(count)) or "\n"
    return lambda stub: stub.reply_when(parts.ASKS_FOR_LINES, text=text)


OTHER_NUMBERS = [
    # The first calls have a graph for three queries, or for as many as it was.
    Case(
        f"multi-{count}-lines",
        with_original,
        queries=("What of rivers?",) * 3,
        entries=ONCE,
        script=_lines(count),
        proven=True,
    )
    for count in (0, 1, 2, 5)
]
CONFIGS = [
    Case(
        "config",
        multi_in_chain,
        queries=(
            Ask(
                "What of rivers?",
                {"tags": ["mine", "another"], "metadata": {"user": 7}, "run_name": "named"},
            ),
        ),
        entries=ENTRIES,
        script=parts.writes_queries,
    ),
    Case(
        "events",
        multi_in_chain,
        queries=QUESTIONS,
        entries=("astream_events",),
        script=parts.writes_queries,
    ),
]
ROWS = [*APPLICATIONS, *PROVEN, *OTHER_NUMBERS, *CONFIGS]

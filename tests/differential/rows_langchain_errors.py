"""LangChain applications in which something fails, at each place where it can."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import Runnable, RunnableLambda

from tests.differential import langchain_parts as parts
from tests.differential.harness import Case, Env
from tests.differential.rows_langchain import (
    ENTRIES,
    QUESTIONS,
    multi,
    multi_in_chain,
    with_original,
)
from tests.stub_openai import StubOpenAI

MANY = ("batch", "abatch")


def _refuses(status: int) -> Any:
    return lambda stub: stub.reply_when(parts.ASKS_FOR_LINES, status=status)


def _refuses_to_answer(stub: StubOpenAI) -> None:
    parts.writes_queries(stub)
    stub.reply_when("Context:", status=500)


def _busy_once(stub: StubOpenAI) -> None:
    parts.writes_queries(stub)
    headers = [("retry-after-ms", "1")]
    stub.reply_when(parts.ASKS_FOR_LINES, status=503, times=1, headers=headers)


def _hangs_up(stub: StubOpenAI) -> None:
    stub.reply_when(parts.ASKS_FOR_LINES, disconnect=0)


def persistent(env: Env) -> Runnable[Any, Any]:
    """Its client tries once more."""
    made = parts.multi_query(env.stub.base_url)
    made.llm_chain.steps[1].root_client.max_retries = 1  # type: ignore[attr-defined]
    return made


def _fail(_: Any) -> str:
    raise ZeroDivisionError("mine")


ROWS = [
    *(
        Case(
            f"queries-{status}",
            with_original,
            queries=QUESTIONS,
            entries=ENTRIES,
            script=_refuses(status),
            proven=True,
            stops_early=True,  # A refusal ahead is dropped, and the original gets one of its own.
            only_result=MANY,
        )
        for status in (400, 401, 404, 429, 500)
    ),
    Case(
        "answer-500",
        multi_in_chain,
        queries=QUESTIONS,
        entries=ENTRIES,
        script=_refuses_to_answer,
        only_result=MANY,
    ),
    Case(
        "retry",
        persistent,
        queries=QUESTIONS,
        entries=("invoke",),
        requests=2,
        script=_busy_once,
        proven=True,
    ),
    Case(
        # A broken connection ahead is dropped and tried once more by the original.
        "hang-up",
        multi,
        queries=QUESTIONS,
        entries=("invoke",),
        script=_hangs_up,
        stops_early=True,
        proven=True,
    ),
    Case(
        "function-raises",
        lambda env: multi(env) | RunnableLambda(_fail),
        queries=QUESTIONS,
        entries=ENTRIES,
        script=parts.writes_queries,
        only_result=MANY,
    ),
]

"""The harness lets nothing through that a caller could notice: what is planted is found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from llama_index.core.instrumentation.events.query import QueryStartEvent
from llama_index.core.response_synthesizers import ResponseMode
from llama_index_instrumentation import get_dispatcher

from ayo_bridge import accelerate
from tests.differential import harness, langchain_parts, rows_langchain
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Case, Env, Framework, compare, runtime_for
from tests.differential.langchain import LANGCHAIN, WATCHER
from tests.differential.llama_index import CALLBACKS, LLAMA_INDEX, settings

Call = Callable[[], Any]
ENGINE = Case(
    "planted",
    lambda env: parts.engine(env, ResponseMode.TREE_SUMMARIZE, chunk=64, top_k=3),
    queries=("one question",),
    entries=("query",),
)
CHAIN = Case(
    "planted-chain",
    rows_langchain.multi_in_chain,
    queries=("one question",),
    entries=("invoke",),
    script=langchain_parts.writes_queries,
)
RETRIEVER = Case(
    "planted-retriever",
    rows_langchain.multi,
    queries=("one question",),
    entries=("invoke",),
    script=langchain_parts.writes_queries,
)


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    with settings():
        yield


@pytest.fixture(autouse=True)
async def _clients() -> AsyncIterator[None]:
    yield
    await langchain_parts.close_clients()


@pytest.fixture
def check(env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Compares a case, whose accelerated object does what is planted."""

    def run(framework: Framework, case: Case, plant: Callable[[Call], Any], **options: Any) -> None:
        (entry,) = case.entries

        def planted(obj: Any, runtime: Any) -> Any:
            fast = accelerate(obj, runtime=runtime)
            original = getattr(type(fast), entry)

            def asked(self: Any, *args: Any) -> Any:
                return plant(lambda: original(self, *args))

            type.__setattr__(type(fast), entry, asked)
            return fast

        monkeypatch.setattr(harness, "_accelerate", planted)
        runtime = runtime_for(case, tmp_path, **options)
        try:
            compare(framework, case, entry, env, runtime).check(case, entry)
        finally:
            runtime.close()

    return run


def _nothing(call: Call) -> Any:
    return call()


def _twice(call: Call) -> Any:
    call()
    return call()


def _raises(call: Call) -> Any:
    call()
    raise ValueError("planted")


# LlamaIndex.


def _other_text(call: Call) -> Any:
    response = call()
    response.response += " "
    return response


def _other_score(by: float) -> Callable[[Call], Any]:
    def plant(call: Call) -> Any:
        response = call()
        response.source_nodes[1].score += by
        return response

    return plant


def _swapped_nodes(call: Call) -> Any:
    response = call()
    nodes = response.source_nodes
    nodes[0], nodes[1] = nodes[1], nodes[0]
    return response


def _reordered_metadata(call: Call) -> Any:
    response = call()
    response.metadata = dict(reversed(response.metadata.items()))
    return response


def _other_type(call: Call) -> Any:
    response = call()
    response.__class__ = type("Response", (type(response),), {})
    return response


def _one_more_event(call: Call) -> Any:
    response = call()
    get_dispatcher("root").event(QueryStartEvent(query="again"))
    return response


def _one_more_callback(call: Call) -> Any:
    response = call()
    CALLBACKS.on_event_start("llm", {}, event_id="x", parent_id="root")
    return response


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (_other_text, "result"),
        (_other_score(1e-4), "score"),
        (_swapped_nodes, "result"),
        (_reordered_metadata, "keys"),
        (_other_type, "keys"),
        (_one_more_event, "log"),
        (_one_more_callback, "log"),
        (_twice, "requests"),
        (_raises, "planted"),
    ],
)
def test_what_a_query_engine_does_otherwise_is_found(
    plant: Callable[[Call], Any], found: str, check: Callable[..., None]
) -> None:
    with pytest.raises(AssertionError, match=found):
        check(LLAMA_INDEX, ENGINE, plant)


def test_the_last_bits_of_a_score_may_differ_unless_strict(check: Callable[..., None]) -> None:
    check(LLAMA_INDEX, ENGINE, _other_score(1e-8))
    with pytest.raises(AssertionError, match="score"):
        check(LLAMA_INDEX, ENGINE, _other_score(1e-8), strict=True)


# LangChain.


def _louder(call: Call) -> Any:
    return call().upper()


def _one_more_run(call: Call) -> Any:
    answer = call()
    RunnableLambda(len).invoke(answer, {"callbacks": [WATCHER]})
    return answer


def _one_more_token(call: Call) -> Any:
    """An event inside a run that is there."""
    told = WATCHER.note

    def note(event: str, *rest: Any) -> None:
        told(event, *rest)
        if event == "on_retriever_start":
            told("on_text", *rest)

    vars(WATCHER)["note"] = note
    try:
        return call()
    finally:
        del vars(WATCHER)["note"]


def _other_metadata(call: Call) -> Any:
    documents = call()
    documents[0].metadata["number"] += 1
    return documents


def _swapped_documents(call: Call) -> Any:
    first, second, *rest = call()
    return [second, first, *rest]


@pytest.mark.parametrize(
    ("case", "plant", "found"),
    [
        (CHAIN, _louder, "result"),
        (CHAIN, _one_more_run, "log"),
        (CHAIN, _one_more_token, "log"),
        (CHAIN, _twice, "requests"),
        (CHAIN, _raises, "planted"),
        (RETRIEVER, _other_metadata, "number"),
        (RETRIEVER, _swapped_documents, "result"),
        (RETRIEVER, _one_more_run, "log"),
        (RETRIEVER, _one_more_token, "log"),
    ],
)
def test_what_a_runnable_does_otherwise_is_found(
    case: Case, plant: Callable[[Call], Any], found: str, check: Callable[..., None]
) -> None:
    with pytest.raises(AssertionError, match=found):
        check(LANGCHAIN, case, plant)


def test_a_request_that_no_handler_hears_of_is_found(check: Callable[..., None], env: Env) -> None:
    def one_more_request(call: Call) -> Any:
        answer = call()
        langchain_parts.chat(env.stub.base_url).invoke("again")
        return answer

    with pytest.raises(AssertionError, match="requests"):
        check(LANGCHAIN, CHAIN, one_more_request)


@pytest.mark.parametrize(
    ("framework", "case"),
    [(LLAMA_INDEX, ENGINE), (LANGCHAIN, CHAIN), (LANGCHAIN, RETRIEVER)],
    ids=lambda value: value.name,
)
def test_where_nothing_is_planted_nothing_is_found(
    framework: Framework, case: Case, check: Callable[..., None]
) -> None:
    check(framework, case, _nothing)

"""What happens when something fails, at each place where it can."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import VectorIndexRetriever

from tests.differential import llama_index_parts as parts
from tests.differential.harness import Case, Env
from tests.stub_openai import StubOpenAI, StubRequest

ALL = ("query", "aquery", "stream", "astream")
SLOWER = 0.08
"""Seconds by which a call that fails outlasts its siblings: ``gather`` leaves those running, and
what observers saw of them at that moment would be chance."""


def any_call(request: StubRequest) -> bool:
    return True


def _error(message: str, code: int) -> bytes:
    return json.dumps(
        {"error": {"message": message, "type": "BadRequestError", "code": code}}
    ).encode()


_TOO_LONG = "This model's maximum context length is 64 tokens. However, you requested 99 tokens."


def _unknown_model(stub: StubOpenAI) -> None:
    stub.reply_when(
        lambda request: request.body["model"] != stub.model,
        status=404,
        content=_error("The model `other` does not exist.", 404),
    )


_SCRIPTS: dict[str, Any] = {
    "400": lambda stub: stub.reply_when(any_call, status=400),
    "401": lambda stub: stub.reply_when(any_call, status=401),
    "500": lambda stub: stub.reply_when(any_call, status=500),
    "too-long": lambda stub: stub.reply_when(any_call, status=400, content=_error(_TOO_LONG, 400)),
    "disconnect": lambda stub: stub.reply_when(any_call, disconnect=0),
    "disconnect-in-the-middle": lambda stub: stub.reply_when(any_call, disconnect=3),
    "not-json": lambda stub: stub.reply_when(any_call, content=b"<html>no</html>"),
    "no-choices": lambda stub: stub.reply_when(any_call, content=b"{}"),
    "empty-choices": lambda stub: stub.reply_when(any_call, content=b'{"choices": []}'),
    "empty-text": lambda stub: stub.reply_when(any_call, text=""),
}
EVERY_CALL = [
    Case(
        f"error-{name}-{mode.value}",
        partial(parts.engine, mode=mode, chunk=64, top_k=3),
        entries=ALL if mode is not ResponseMode.ACCUMULATE else ("query",),
        script=script,
        stops_early=mode in (ResponseMode.TREE_SUMMARIZE, ResponseMode.ACCUMULATE),
    )
    for name, script in _SCRIPTS.items()
    for mode in (ResponseMode.REFINE, ResponseMode.TREE_SUMMARIZE, ResponseMode.ACCUMULATE)
    # In a concurrent fan-out it would be chance which of the calls fails first.
    if not (mode is ResponseMode.TREE_SUMMARIZE and name not in ("empty-text",))
] + [
    Case(
        f"error-{name}-tree_summarize",
        lambda env: parts.engine(env, ResponseMode.TREE_SUMMARIZE, chunk=64, top_k=3),
        entries=("query", "stream"),
        script=script,
        stops_early=True,
    )
    for name, script in _SCRIPTS.items()
    if name != "empty-text"
]


def _once(status: int) -> Any:
    """In a fan-out it must be the same call each time."""
    return lambda stub: stub.reply_when(
        "amber resin", status=status, times=1, headers=[("retry-after-ms", "10")]
    )


def _one_note_fails(stub: StubOpenAI) -> None:
    stub.reply_when("amber resin", status=400, latency=SLOWER)


def _persistent(env: Env, mode: ResponseMode) -> Any:
    return parts.engine(env, mode, chunk=64, top_k=2, model=parts.llm(env, max_retries=2))


def _narrow(env: Env, mode: ResponseMode) -> Any:
    return parts.engine(env, mode, model=parts.llm(env, context_window=40))


RETRIES = [
    Case(
        f"retry-{status}-{mode.value}",
        partial(_persistent, mode=mode),
        entries=ALL,
        script=_once(status),
    )
    for status in (429, 500, 503)
    for mode in (ResponseMode.COMPACT, ResponseMode.TREE_SUMMARIZE)
    if not (mode is ResponseMode.TREE_SUMMARIZE and status != 500)
] + [
    Case(
        "retries-in-vain",
        lambda env: parts.engine(env, ResponseMode.COMPACT, model=parts.llm(env, max_retries=1)),
        queries=("once",),
        entries=ALL,
        script=lambda stub: stub.reply_when(
            any_call, status=500, headers=[("retry-after-ms", "10")]
        ),
    ),
]
ONE_OF_MANY = [
    Case(
        f"one-fails-{mode.value}",
        partial(parts.engine, mode=mode, chunk=64, top_k=3),
        entries=("query", "aquery"),
        script=_one_note_fails,
        stops_early=True,
    )
    for mode in (ResponseMode.REFINE, ResponseMode.TREE_SUMMARIZE, ResponseMode.ACCUMULATE)
]


class NoEmbedding(MockEmbedding):
    """Cannot embed."""

    def _get_query_embedding(self, query: str) -> list[float]:
        raise RuntimeError(f"cannot embed {query!r}")

    async def _aget_query_embedding(self, query: str) -> list[float]:
        raise RuntimeError(f"cannot embed {query!r}")


def _no_embedding(env: Env) -> Any:
    index = VectorStoreIndex(parts.nodes(), embed_model=parts.mock_embedding())
    return parts.engine(
        env,
        ResponseMode.COMPACT,
        source=VectorIndexRetriever(index, embed_model=NoEmbedding(embed_dim=parts.DIMENSION)),
    )


def _wrong_dimension(env: Env) -> Any:
    """A lifted embedding model whose search fails."""
    return parts.engine(
        env,
        ResponseMode.COMPACT,
        source=VectorIndexRetriever(parts.index(), embed_model=MockEmbedding(embed_dim=3)),
    )


OTHER = [
    Case(
        "unknown-model",
        lambda env: parts.engine(env, ResponseMode.COMPACT, model=parts.llm(env, model="other")),
        entries=ALL,
        script=_unknown_model,
    ),
    *(
        Case(
            f"window-too-small-{mode.value}",
            partial(_narrow, mode=mode),
            entries=ALL,
        )
        for mode in (
            ResponseMode.COMPACT,
            ResponseMode.REFINE,
            ResponseMode.TREE_SUMMARIZE,
            ResponseMode.ACCUMULATE,
        )
    ),
    Case("embedding-raises", _no_embedding),
    Case("search-raises", _wrong_dimension),
    Case(
        "nobody-listens",
        lambda env: parts.engine(
            env, ResponseMode.COMPACT, model=parts.llm(env, api_base="http://127.0.0.1:9/v1")
        ),
        entries=ALL,
    ),
    Case(
        "time-out",
        lambda env: parts.engine(env, ResponseMode.COMPACT, model=parts.llm(env, timeout=0.15)),
        queries=("once",),
        entries=ALL,
        script=lambda stub: stub.reply_when(any_call, latency=3.0),
    ),
    Case(
        "fusion-queries-fail",
        lambda env: parts.fusion(env, "simple", retrievers=[parts.retriever(env)]),
        entries=("retrieve", "aretrieve"),
        script=lambda stub: stub.reply_when(any_call, status=400),
    ),
    Case(
        "query-is-none",
        lambda env: parts.engine(env, ResponseMode.COMPACT),
        queries=(None,),
        entries=("query", "aquery"),
    ),
    Case(
        "query-is-a-number",
        lambda env: parts.engine(env, ResponseMode.COMPACT),
        queries=(7,),
        entries=("query", "aquery"),
    ),
    Case(
        "query-is-empty",
        lambda env: parts.engine(env, ResponseMode.COMPACT),
        queries=("",),
        entries=("query", "aquery"),
    ),
]
ROWS = [*EVERY_CALL, *RETRIES, *ONE_OF_MANY, *OTHER]

"""LangChain over embeddings behind a server."""

from __future__ import annotations

import math
from typing import Any

import tiktoken
from langchain_classic.retrievers import MultiQueryRetriever
from langchain_core.runnables import Runnable
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import OpenAIEmbeddings
from pydantic import SecretStr

from tests.differential import langchain_parts as parts
from tests.differential.harness import Case, Env
from tests.differential.rows_langchain import ONCE, QUESTIONS
from tests.stub_openai import StubOpenAI

STREAMED = (*ONCE, "stream", "astream")
_DIMENSION = 8


def _embeddings(env: Env, **options: Any) -> OpenAIEmbeddings:
    given = {"check_embedding_ctx_length": False, "max_retries": 0, **options}
    return OpenAIEmbeddings(
        model="stub-embedding", base_url=env.stub.base_url, api_key=SecretStr("none"), **given
    )


def store_of(model: Any) -> InMemoryVectorStore:
    """The documents in memory, with vectors as short as those of the stub."""
    made = InMemoryVectorStore(model)
    made.store = {
        str(document.id): {
            "id": str(document.id),
            "vector": [math.cos(0.37 * at * (place + 1)) for place in range(_DIMENSION)],
            "text": document.page_content,
            "metadata": dict(document.metadata),
        }
        for at, document in enumerate(parts.texts())
    }
    return made


def _multi(env: Env, **options: Any) -> Runnable[Any, Any]:
    search = store_of(_embeddings(env, **options)).as_retriever(search_kwargs={"k": 3})
    return MultiQueryRetriever.from_llm(search, parts.chat(env.stub.base_url))


def _by_tokens(env: Env) -> Runnable[Any, Any]:
    """As ``OpenAIEmbeddings`` does by default: it sends tokens, of an encoding that is loaded."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    letters = tiktoken.Encoding(
        "letters", pat_str=r"\S+|\s+", mergeable_ranks=ranks, special_tokens={}
    )
    env.fixture("monkeypatch").setitem(tiktoken.registry.ENCODINGS, "cl100k_base", letters)
    return _multi(env, check_embedding_ctx_length=True)


def _chain(env: Env) -> Runnable[Any, Any]:
    return parts.rag(store_of(_embeddings(env)).as_retriever(), parts.chat(env.stub.base_url))


def _refuses(stub: StubOpenAI) -> None:
    parts.writes_queries(stub)
    stub.reply_when(lambda request: "2. what" in str(request.body.get("input")), status=400)


ROWS = [
    Case("remote-chain", _chain, queries=QUESTIONS, entries=STREAMED, script=parts.writes_queries),
    Case(
        "remote-multi",
        _multi,
        queries=QUESTIONS,
        entries=("batch", "abatch"),
        script=parts.writes_queries,
    ),
    Case(
        "remote-multi-proven",
        _multi,
        queries=(*QUESTIONS, "What of letters?"),
        entries=STREAMED,
        ahead=("invoke", "stream"),
        script=parts.writes_queries,
        proven=True,
        frugal=True,
    ),
    Case(
        "remote-multi-by-tokens",
        _by_tokens,
        queries=(*QUESTIONS, "What of letters?"),
        entries=ONCE,
        ahead=("invoke",),
        script=parts.writes_queries,
        proven=True,
    ),
    Case(
        "remote-multi-refused",
        _multi,
        queries=QUESTIONS,
        entries=ONCE,
        script=_refuses,
        stops_early=True,
        only_result=("ainvoke",),
    ),
]

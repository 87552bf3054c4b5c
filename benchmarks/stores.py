"""What multi-query gains over each kind of vector store: ``python -m benchmarks.stores``.

The stub's LLM takes 100 ms for three queries, which are searched for with the question. Every
embedding and every search takes a fixed time more, the search below the client's own method. No
schedule can be faster than the bound: the LLM, then one embedding and one search.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from benchmarks.cores import share_cores
from benchmarks.measure import Case, Result, measure, report
from tests.stub_openai import StubProcess

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres

CALL, EMBEDDING, SEARCH = 0.1, 0.03, 0.01
"""Seconds at which a survey of both frameworks found 299 ms as it is, with 140 ms as the ideal."""
SEARCHES = 4
Seam = tuple[Any, str]
"""An object and the method of it that a search comes to, below what is followed."""


def _of_table(store: Any) -> Seam:
    return store._PGVectorStore__vs, "_AsyncPGVectorStore__query_collection"


SEAMS: dict[str, Callable[[Any], Seam]] = {
    "chroma": lambda store: (store._collection._client, "_query"),
    "qdrant": lambda store: (store.client._client, "query_points"),
    "faiss": lambda store: (store.index, "search_c"),
    "milvus": lambda store: (store.client._get_connection(), "search"),
    "pg-tables": _of_table,
    "pg-collections": lambda store: (store, "_PGVector__query_collection"),
}


class _Postgres:
    """Started for the first store that wants it; stands in for a test's environment."""

    def __init__(self) -> None:
        self._server: EmbeddedPostgres | None = None

    def fixture(self, name: str) -> Any:
        from ayo_bridge.serving.postgres import EmbeddedPostgres

        if self._server is None:
            self._server = EmbeddedPostgres().__enter__()
        return self._server

    def close(self) -> None:
        if self._server is not None:
            self._server.__exit__(None, None, None)


def slow(seam: Seam, seconds: float) -> None:
    """Have a method take so much longer; of its object alone."""
    owner, name = seam
    method = getattr(owner, name)

    def slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(seconds)
        return method(*args, **kwargs)

    async def slowly_awaited(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(seconds)
        return await method(*args, **kwargs)

    setattr(owner, name, slowly_awaited if asyncio.iscoroutinefunction(method) else slowly)


def multi_query(name: str, env: Any, url: str, embedding_url: str, seconds: float) -> Any:
    """A ``MultiQueryRetriever`` over a store of this kind."""
    from langchain_classic.retrievers import MultiQueryRetriever
    from langchain_openai import OpenAIEmbeddings
    from pydantic import SecretStr

    from benchmarks.langchain_cases import llm
    from tests.differential.langchain_stores import STORES

    embeddings = OpenAIEmbeddings(
        model="stub-embedding",
        base_url=embedding_url,
        api_key=SecretStr("none"),
        check_embedding_ctx_length=False,
    )
    store = STORES[name][0](env, embeddings)
    slow(SEAMS[name](store), seconds)
    retriever = store.as_retriever(search_kwargs={"k": 4})
    return MultiQueryRetriever.from_llm(retriever, llm(url), include_original=True)


def main(
    only: Annotated[str, typer.Option(help="Measure stores whose name contains this.")] = "",
    rounds: Annotated[int, typer.Option(help="Rounds of both arms.")] = 11,
    embedding: Annotated[float, typer.Option(help="Seconds of an embedding.")] = EMBEDDING,
    search: Annotated[float, typer.Option(help="Seconds of a search.")] = SEARCH,
    at_least: Annotated[float, typer.Option(help="The ratio to reach.")] = 1.6,
) -> None:
    """Measure every store; 1 if a target is missed."""
    from benchmarks.langchain_cases import case
    from tests.differential.langchain_stores import close_stores

    console, env, core = Console(), _Postgres(), share_cores()
    bound = (CALL + SEARCHES * (embedding + search)) / (CALL + embedding + search)
    console.print(f"No schedule can be more than {bound:.2f} times as fast.")
    cases: list[Case] = []  # They live to the end: see benchmarks.stub_latency.
    results: list[Result] = []
    with (
        StubProcess(latency=CALL, spread=True, lines=True, core=core) as stub,
        StubProcess(latency=embedding, core=core) as served,
    ):
        for name in SEAMS:
            if only in name:
                with console.status(name):
                    made = multi_query(name, env, stub.base_url, served.base_url, search)
                    cases.append(case(name, made, at_least=at_least, rounds=rounds))
                    results.append(measure(cases[-1]))
    close_stores()
    env.close()
    sys.exit(report(results, console, None))


if __name__ == "__main__":
    typer.run(main)

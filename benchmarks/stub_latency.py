"""What acceleration gains where a call takes 100 ms: ``python -m benchmarks.stub_latency``.

The stub serves any number of calls at once, an embedding takes 60 ms a batch, a search 40 ms.
Where embeddings come from a server one takes 20 ms, and a search 10 ms.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from benchmarks.cores import share_cores
from benchmarks.measure import Case, Result, measure, report
from tests.stub_openai import StubProcess

CALL, EMBEDDING, SEARCH = 0.1, 0.06, 0.04
REMOTE_EMBEDDING, REMOTE_SEARCH = 0.02, 0.01


def _tree(name: str, url: str) -> Case:
    from benchmarks.llamaindex_cases import case, synthesis_engine

    return case(name, synthesis_engine(url, "tree_summarize"), at_least=3.0)


def _accumulate(name: str, url: str) -> Case:
    from benchmarks.llamaindex_cases import case, synthesis_engine

    return case(name, synthesis_engine(url, "accumulate"), at_least=4.0)


def _fusion(name: str, url: str) -> Case:
    from benchmarks.llamaindex_cases import case, fusion_engine, slow_embedding

    return case(name, fusion_engine(url, slow_embedding(EMBEDDING)), at_least=1.7)


def _compact(name: str, url: str) -> Case:
    from benchmarks.llamaindex_cases import case, synthesis_engine

    engine = synthesis_engine(url, "compact", chunks=2)
    return case(name, engine, at_most_slower=0.003, rounds=50)


def _multi_query(name: str, url: str) -> Case:
    from benchmarks.langchain_cases import case, multi_query

    return case(name, multi_query(url, EMBEDDING), at_least=1.5)


def _chain(name: str, url: str) -> Case:
    from benchmarks.langchain_cases import case, chain

    return case(name, chain(url), at_most_slower=0.003, rounds=50)


def _remote_fusion(name: str, url: str, embedding_url: str) -> Case:
    from benchmarks.llamaindex_cases import case, remote_fusion, retrieving

    return case(name, remote_fusion(url, embedding_url), retrieving, at_least=1.5)


def _remote_multi_query(name: str, url: str, embedding_url: str) -> Case:
    from benchmarks.langchain_cases import case, remote_multi_query

    return case(name, remote_multi_query(url, embedding_url), at_least=1.25)


CASES: dict[str, Callable[[str, str], Case]] = {
    "LlamaIndex tree_summarize, 8 summaries": _tree,
    "LlamaIndex accumulate over 8": _accumulate,
    "LlamaIndex fusion of 4 queries": _fusion,
    "LlamaIndex compact": _compact,
    "LangChain multi-query, 3 lines": _multi_query,
    "LangChain LCEL chain": _chain,
}
"""Cases by name, each built from its name and the server's URL when its turn comes."""
REMOTE_CASES: dict[str, Callable[[str, str, str], Case]] = {
    "LlamaIndex fusion of 4, remote embeddings": _remote_fusion,
    "LangChain multi-query, remote embeddings": _remote_multi_query,
}
"""Those whose embeddings come from a server: it has its URL, too."""


def main(
    json_file: Annotated[Path | None, typer.Option("--json", help="File for figures.")] = None,
    only: Annotated[str, typer.Option(help="Measure cases whose name contains this.")] = "",
) -> None:
    """Measure every case; 1 if a target is missed."""
    console = Console()
    # Cases live to the end: clients that are collected may close a later one's connections.
    cases: list[Case] = []
    results: list[Result] = []

    def measured(name: str, build: Callable[[], Case]) -> None:
        if only in name:
            with console.status(name):
                cases.append(build())
                results.append(measure(cases[-1]))

    core = share_cores()
    with StubProcess(latency=CALL, spread=True, lines=True, core=core) as stub:
        with _slow_searches(SEARCH):
            for name, build in CASES.items():
                measured(name, partial(build, name, stub.base_url))
        with (
            _slow_searches(REMOTE_SEARCH),
            StubProcess(latency=REMOTE_EMBEDDING, core=core) as embedding,
        ):
            for name, remote in REMOTE_CASES.items():
                measured(name, partial(remote, name, stub.base_url, embedding.base_url))
    sys.exit(report(results, console, json_file))


@contextmanager
def _slow_searches(seconds: float) -> Iterator[None]:
    """Have searches of LlamaIndex's in-memory store take so long, and of LangChain's remote row."""
    from benchmarks import langchain_cases, llamaindex_cases

    undo = [llamaindex_cases.slow_search(seconds)]
    if seconds == REMOTE_SEARCH:
        undo.append(langchain_cases.slow_search(seconds))
    try:
        yield
    finally:
        for each in undo:
            each()


if __name__ == "__main__":
    typer.run(main)

"""Throughput where the client's own cores are the limit: ``python -m benchmarks.busy``.

Threads ask as fast as they can, as it is and accelerated in turns. Models run in process: MiniLM
embeds, an untrained cross-encoder of its size reranks ten passages a query.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from benchmarks.measure import Call, fresh_runtime, write
from benchmarks.overhead import Pair, load
from tests.stub_openai import StubProcess

AT_LEAST = 0.97
Arms = tuple[Call, Call]


def _llama_index(engine: Any) -> Arms:
    from ayo_bridge import accelerate
    from benchmarks.llamaindex_cases import asking

    return asking(engine), asking(accelerate(engine, runtime=fresh_runtime()))


def _synthesis(mode: str) -> Callable[[str], Arms]:
    def build(url: str) -> Arms:
        from benchmarks.llamaindex_cases import synthesis_engine

        return _llama_index(synthesis_engine(url, mode, chunks=4))

    return build


def _fusion(url: str) -> Arms:
    from benchmarks.llamaindex_cases import fusion_engine, slow_embedding

    return _llama_index(fusion_engine(url, slow_embedding(0.0)))


def _chain(url: str) -> Arms:
    from ayo_bridge import accelerate
    from benchmarks.langchain_cases import asking, chain

    made = chain(url)
    return asking(made), asking(accelerate(made, runtime=fresh_runtime()))


def _plain_rag(url: str) -> Arms:
    from benchmarks.llamaindex_cases import rag_engine

    return _llama_index(rag_engine(url))


def _reranked(url: str) -> Arms:
    from benchmarks.llamaindex_cases import rag_engine

    return _llama_index(rag_engine(url, rerank=True))


CASES: dict[str, Callable[[str], Arms]] = {
    "tree_summarize": _synthesis("tree_summarize"),
    "accumulate": _synthesis("accumulate"),
    "refine": _synthesis("refine"),
    "fusion": _fusion,
    "LangChain chain": _chain,
    "embedding": _plain_rag,
    "rerank": _reranked,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One case under one load: throughput and CPU a query, accelerated to original."""

    case: str
    delay: float
    threads: int
    throughput: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the throughput."""
        return statistics.median(self.throughput)


def compare(arms: Arms, *, rounds: int, threads: int, seconds: float) -> list[Pair]:
    """Rounds of both arms in turns; the first two pairs warm up and say how much fills a round."""
    pairs, queries = [], 2 * threads
    with ThreadPoolExecutor(threads) as pool:
        for turn in range(rounds + 3):
            order = (0, 1) if turn % 2 == 0 else (1, 0)
            loads = {arm: load(arms[arm], queries, pool) for arm in order}
            pairs.append(Pair(loads[0], loads[1]))
            if turn < 2:
                queries = max(2 * threads, int(queries * seconds / loads[0].wall))
    return pairs[3:]


def main(
    delay: Annotated[list[float] | None, typer.Option(help="Seconds an LLM call takes.")] = None,
    threads: Annotated[list[int] | None, typer.Option(help="Threads that ask.")] = None,
    rounds: Annotated[int, typer.Option(help="Pairs of rounds.")] = 11,
    seconds: Annotated[float, typer.Option(help="About how long a round takes.")] = 0.7,
    torch_threads: Annotated[int, typer.Option(help="Of torch; 0: its own default.")] = 1,
    only: Annotated[str, typer.Option(help="Measure cases whose name contains this.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="File for figures.")] = None,
) -> None:
    """Measure every case; 1 if one is slower than it may be."""
    if torch_threads:
        os.environ["OMP_NUM_THREADS"] = str(torch_threads)
    console = Console()
    rows: list[Row] = []
    arms = []  # They live to the end: clients that are collected may close others' connections.
    for wait in delay or [0.0, 0.01]:
        with StubProcess(latency=wait, spread=True, lines=True) as stub:
            for name, build in CASES.items():
                if only not in name:
                    continue
                arms.append(build(stub.base_url))
                for number in threads or [1, 4, 16, 32]:
                    pairs = compare(arms[-1], rounds=rounds, threads=number, seconds=seconds)
                    throughput = tuple(pair.throughput for pair in pairs)
                    rows.append(
                        Row(name, wait, number, throughput, tuple(pair.cpu for pair in pairs))
                    )
                    console.print(_shown(rows[-1]))
    console.print(_table(rows))
    write(json_file, {f"{row.case} {row.delay} {row.threads}": row.throughput for row in rows})
    sys.exit(1 if any(row.median < AT_LEAST for row in rows) else 0)


def _shown(row: Row) -> str:
    return (
        f"{row.case}, {row.delay * 1000:g} ms, {row.threads} threads: {row.median:.2f}x throughput,"
        f" {statistics.median(row.cpu):.2f}x CPU"
    )


def _table(rows: list[Row]) -> Table:
    table = Table(box=None)
    for column in ("case", "LLM call", "threads", "throughput", "quartiles", "CPU a query", "met"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for row in rows:
        low, _, high = statistics.quantiles(row.throughput, n=4)
        table.add_row(
            row.case,
            f"{row.delay * 1000:g} ms",
            str(row.threads),
            f"{row.median:.2f}x",
            f"{low:.2f} to {high:.2f}",
            f"{statistics.median(row.cpu):.2f}x",
            "yes" if row.median >= AT_LEAST else "[red]NO[/]",
        )
    return table


if __name__ == "__main__":
    typer.run(main)

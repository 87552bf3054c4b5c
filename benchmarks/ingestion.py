"""What acceleration gains where documents are ingested: ``python -m benchmarks.ingestion``.

An LLM call takes 100 ms at a stub that serves any number at once, a batch of embeddings 20 ms. Rows
go to a real Postgres. Both arms ingest the same nodes, in turn; what they return, and the rows,
have to be the same. The limit of calls ahead is set; with ``--max-ahead 0`` it is found, and the
first runs are slower.

What both arms take where the LLM answers at once is printed beside: no acceleration of its calls
can win any of that. And 100 calls of equal length take 25 turns by four, as LlamaIndex asks, and
four turns by 32: no more than 6.25x can be won of the waiting.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("AYO_MEASURE", "0")

from benchmarks.cores import share_cores
from benchmarks.learned.engines import DIMENSIONS, cache_tokenizer, save_embedding_model
from benchmarks.slow_engines import slow_down
from tests.stub_openai import StubProcess

CALL, EMBEDDING = 0.1, 0.02
TEXT = "The keeper of the ledger wrote down what he had seen in the north. "
Build = Callable[[str, Any], Any]
"""Makes a pipeline, by the LLM's URL and the Postgres."""
_tables = itertools.count()


@dataclass(slots=True)
class Result:
    """Seconds of each run of both arms."""

    name: str
    original: list[float]
    accelerated: list[float]
    at_least: float
    at_once: tuple[float, float] | None = None
    """Of both arms where the LLM answers at once."""

    @property
    def ratio(self) -> float:
        """By the medians."""
        return statistics.median(self.original) / statistics.median(self.accelerated)


def nodes(documents: int, each: int) -> list[Any]:
    """Nodes of several documents, as a splitter makes them."""
    from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

    return [
        TextNode(
            id_=f"{document}-{part}",
            text=f"Document {document}, part {part}. {TEXT * 4}",
            metadata={"file": f"{document}.txt"},
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=str(document))},
        )
        for document in range(documents)
        for part in range(each)
    ]


def _llm(url: str) -> Any:
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(
        model="stub",
        api_base=url,
        api_key="none",
        is_chat_model=True,
        max_tokens=64,
        temperature=0.0,
        context_window=8192,
    )


def _extraction(url: str, postgres: Any) -> Any:
    """Title, summary, keywords, an embedding and Postgres."""
    from llama_index.core.extractors import KeywordExtractor, SummaryExtractor, TitleExtractor
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    llm = _llm(url)
    with tempfile.TemporaryDirectory() as folder:
        save_embedding_model(folder)
        embedding = HuggingFaceEmbedding(model_name=folder, device="cpu")
    slow_down(embedding._model, EMBEDDING)
    extractors = [
        each(llm=llm, show_progress=False)
        for each in (TitleExtractor, SummaryExtractor, KeywordExtractor)
    ]
    return IngestionPipeline(
        transformations=[*extractors, embedding],
        vector_store=_store(postgres, DIMENSIONS),
        disable_cache=True,
    )


def _contexts(url: str, postgres: Any) -> Any:
    """Contextual retrieval."""
    from llama_index.core import Document
    from llama_index.core.extractors import DocumentContextExtractor
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.storage.docstore import SimpleDocumentStore

    store = SimpleDocumentStore()
    store.add_documents([Document(id_="0", text=TEXT * 200)])
    extractor = DocumentContextExtractor(
        docstore=store, llm=_llm(url), max_context_length=100_000, show_progress=False
    )
    return IngestionPipeline(transformations=[extractor], disable_cache=True)


def _writing(url: str, postgres: Any) -> Any:
    """Only the write path: nodes that are embedded already."""
    from llama_index.core.ingestion import IngestionPipeline

    return IngestionPipeline(transformations=[], vector_store=_store(postgres), disable_cache=True)


def _store(postgres: Any, dimensions: int = 384) -> Any:
    from tests.differential.llama_index_parts import postgres_store

    return postgres_store(postgres, table_name=f"rows_{next(_tables)}", embed_dim=dimensions)


def rows(pipeline: Any) -> Sequence[Any]:
    """What is in its table, as Postgres prints it; it is emptied."""
    from sqlalchemy import text

    store = pipeline.vector_store
    if store is None:
        return ()
    table = f"data_{store.table_name}"
    with store._engine.begin() as connection:
        found = connection.execute(
            text(f"SELECT node_id, text, metadata_::text, embedding::text FROM {table} ORDER BY id")
        )
        seen = [tuple(row) for row in found]
        connection.execute(text(f"TRUNCATE {table}"))
    return seen


def _run(pipeline: Any, given: list[Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    made = pipeline.run(nodes=given)
    seconds = time.perf_counter() - began
    return seconds, [(node.id_, node.metadata, node.get_content(), node.hash) for node in made]


def measure(
    name: str, original: Any, fast: Any, given: Callable[[], list[Any]], rounds: int, least: float
) -> Result:
    """Run both in turn.

    Raises:
        AssertionError: they do not give the same.
    """
    result = Result(name, [], [], least)
    for _ in range(rounds):
        plain, one = _run(original, given())
        quick, two = _run(fast, given())
        assert one == two, f"{name}: the nodes differ"
        assert _alike(rows(original), rows(fast)), f"{name}: the rows differ"
        result.original.append(plain)
        result.accelerated.append(quick)
    return result


def _alike(ones: Sequence[Any], twos: Sequence[Any]) -> bool:
    """Whether rows are the same, but for the last bits of vectors that shared a batch."""
    if [row[:3] for row in ones] != [row[:3] for row in twos]:
        return False
    vectors = ((json.loads(a[3]), json.loads(b[3])) for a, b in zip(ones, twos, strict=True))
    return all(abs(x - y) < 1e-6 for a, b in vectors for x, y in zip(a, b, strict=True))


def _embedded() -> list[Any]:
    given = nodes(50, 100)
    for number, node in enumerate(given):
        node.embedding = [((number * 37 + k * 11) % 97) / 64 for k in range(384)]
    return given


CASES: dict[str, tuple[Build, Callable[[], list[Any]], float]] = {
    "title + summary + keywords + embedding + Postgres, 64 nodes": (
        _extraction,
        lambda: nodes(16, 4),
        6.0,
    ),
    "contextual retrieval, 100 chunks": (_contexts, lambda: nodes(1, 100), 8.0),
    "5,000 rows into Postgres": (_writing, _embedded, 3.0),
}
"""Pipelines with what they are given, and the ratio that is wanted."""


@contextmanager
def _arms(build: Build, url: str, postgres: Any, most: int) -> Iterator[Any]:
    from ayo_bridge import Runtime, accelerate

    runtime = Runtime(max_ahead=most or None, templates=False)
    original, plain = build(url, postgres), build(url, postgres)
    try:
        yield original, accelerate(plain, runtime=runtime)
    finally:
        runtime.close()
        for pipeline in (original, plain):
            if pipeline.vector_store is not None:
                pipeline.vector_store._engine.dispose()


def main(
    json_file: Annotated[Path | None, typer.Option("--json", help="File for figures.")] = None,
    only: Annotated[str, typer.Option(help="Measure cases whose name contains this.")] = "",
    rounds: Annotated[int, typer.Option(help="Runs of each arm.")] = 5,
    max_ahead: Annotated[int, typer.Option(help="Calls ahead; 0: it is found.")] = 32,
) -> None:
    """Measure every case; 1 if a target is missed."""
    from ayo_bridge.serving.postgres import EmbeddedPostgres

    cache_tokenizer()
    results: list[Result] = []
    core = share_cores()
    with (
        EmbeddedPostgres() as postgres,
        StubProcess(latency=CALL, core=core) as stub,
        StubProcess(latency=0.0, core=core) as at_once,
    ):
        for name, (build, given, least) in CASES.items():
            if only not in name:
                continue
            with _arms(build, stub.base_url, postgres, max_ahead) as (original, fast):
                result = measure(name, original, fast, given, rounds, least)
            if build is not _writing:
                with _arms(build, at_once.base_url, postgres, max_ahead) as (original, fast):
                    bound = measure(name, original, fast, given, min(rounds, 3), least)
                result.at_once = (min(bound.original), min(bound.accelerated))
            results.append(result)
            print(_line(result), flush=True)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n")
    sys.exit(int(any(each.ratio < each.at_least for each in results)))


def _line(result: Result) -> str:
    one, two = statistics.median(result.original), statistics.median(result.accelerated)
    line = (
        f"{result.name}: {one * 1000:.0f} -> {two * 1000:.0f} ms, {result.ratio:.2f}x "
        f"(wanted {result.at_least:.1f}x)"
    )
    if result.at_once is not None:
        plain, fast = result.at_once
        line += f"; with answers at once {plain * 1000:.0f} -> {fast * 1000:.0f} ms"
    return line


if __name__ == "__main__":
    typer.run(main)

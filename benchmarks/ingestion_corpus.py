"""A corpus is embedded and written to Postgres: ``python -m benchmarks.ingestion_corpus``.

Each arm runs in a process of its own, in turn; the time is that of the ingestion alone, the peak of
memory that of the whole process. ``--framework llama-index`` is ``VectorStoreIndex.from_documents``
with a ``SentenceSplitter``; ``langchain`` is ``PGVectorStore.add_documents`` behind a
``RecursiveCharacterTextSplitter``. ``--embedding none`` gives each text a cheap vector: what is
left is the writing. Rows have to be the same, vectors but for their last bits. One thread for torch
in both arms: on shared cores more of them wait for each other.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("AYO_MEASURE", "0")
os.environ.setdefault("AYO_TEMPLATES", "0")

import typer

EACH = 10
"""Chunks of a document."""
DIMENSIONS = 384
_WORDS = (
    *("keeper", "ledger", "winter", "harbour", "lantern"),
    *("voyage", "copper", "meadow", "signal", "archive"),
)
_COLUMNS = {
    "llama-index": ("id", "text, metadata_ ->> 'file'"),
    "langchain": ("ctid", "content, langchain_metadata ->> 'file'"),
}


def texts(chunks: int) -> Iterator[str]:
    """Documents of some ten chunks, no two alike."""
    for document in range(chunks // EACH):
        sentences = (
            f"In part {part} of {document} the {_WORDS[(document + part) % 10]} was kept by the "
            f"{_WORDS[(document * 7 + part * 3) % 10]}, as number {document * part} in the list "
            f"of the {_WORDS[(part * 9 + document) % 10]} tells everybody who can still read it."
            for part in range(EACH)
        )
        yield "\n\n".join(sentences)


def _vector(text: str) -> list[float]:
    digest = hashlib.blake2b(text.encode(), digest_size=48).digest()
    return [(byte - 128) / 128 for byte in digest] * (DIMENSIONS // 48)


# What is ingested, and how.


def _llama_index(kind: str, chunks: int, parts: Any, table: str) -> tuple[Any, Any]:
    from llama_index.core import Document, MockEmbedding, StorageContext, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.vector_stores.postgres import PGVectorStore

    from benchmarks.slow_engines import minilm

    class Cheap(MockEmbedding):
        """Vectors of digests."""

        def _get_vector(self) -> list[float]:
            return [0.0] * DIMENSIONS

        def _get_text_embedding(self, text: str) -> list[float]:
            return _vector(text)

    embedding: Any = Cheap(embed_dim=DIMENSIONS)
    if kind == "minilm":
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        embedding = HuggingFaceEmbedding(model_name=minilm(), device="cpu")
        embedding.get_text_embedding("The first call is slower.")
    store = PGVectorStore.from_params(**parts, table_name=table, embed_dim=DIMENSIONS)
    store._initialize()
    splitter = SentenceSplitter(
        chunk_size=64, chunk_overlap=0, id_func=lambda number, document: f"{document.id_}-{number}"
    )
    given = [
        Document(id_=str(number), text=text, metadata={"file": f"{number}.txt"})
        for number, text in enumerate(texts(chunks))
    ]

    def ingest(documents: list[Any]) -> None:
        VectorStoreIndex.from_documents(
            documents,
            transformations=[splitter],
            embed_model=embedding,
            storage_context=StorageContext.from_defaults(vector_store=store),
        )

    return ingest, given


def _langchain(kind: str, chunks: int, parts: Any, table: str) -> tuple[Any, Any]:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_postgres import PGEngine, PGVectorStore
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    from benchmarks.slow_engines import minilm

    class Cheap(Embeddings):
        """Vectors of digests."""

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [_vector(text) for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return _vector(text)

    embedding: Embeddings = Cheap()
    if kind == "minilm":
        from langchain_huggingface import HuggingFaceEmbeddings

        embedding = HuggingFaceEmbeddings(model_name=minilm(), model_kwargs={"device": "cpu"})
        embedding.embed_query("The first call is slower.")
    url = "postgresql+asyncpg://{user}:{password}@{host}:{port}/{database}".format(**parts)
    engine = PGEngine.from_connection_string(url)
    engine.init_vectorstore_table(table, DIMENSIONS)
    store = PGVectorStore.create_sync(engine, embedding, table)
    splitter = RecursiveCharacterTextSplitter(chunk_size=200, chunk_overlap=0)
    given = [
        Document(page_content=text, metadata={"file": f"{number}.txt"})
        for number, text in enumerate(texts(chunks))
    ]

    def ingest(documents: list[Any]) -> None:
        store.add_documents(splitter.split_documents(documents))

    return ingest, given


_FRAMEWORKS = {"llama-index": _llama_index, "langchain": _langchain}


def _arm(framework: str, fast: bool, kind: str, chunks: int, parts: str, table: str) -> None:
    """Ingest once, in this process, and tell the seconds and the peak of memory."""
    from ayo_bridge import Runtime, accelerate

    ingest, given = _FRAMEWORKS[framework](kind, chunks, json.loads(parts), table)
    before = _peak()
    if fast:
        ingest = accelerate(ingest, runtime=Runtime(templates=False))
    began, cpu = time.perf_counter(), time.process_time()
    ingest(given)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    told = {"seconds": seconds, "cpu": cpu, "before": before, "peak": _peak()}
    print(json.dumps(told), flush=True)
    os._exit(0)


def _peak() -> float:
    """MiB of this process, at most so far; not of the one it was forked from."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


# Both arms.


def _same(postgres: Any, framework: str, tables: list[str]) -> tuple[int, bool]:
    """How many rows there are, and whether those of two tables are the same; drops both."""
    import psycopg

    order, columns = _COLUMNS[framework]
    names = [f"data_{table}" if framework == "llama-index" else table for table in tables]
    one, two = (
        f"(SELECT row_number() OVER (ORDER BY {order}) AS n, ({columns}) AS row, embedding "
        f"FROM {name})"
        for name in names
    )
    differs = "one.row IS DISTINCT FROM two.row OR NOT one.embedding <-> two.embedding < 1e-5"
    with psycopg.connect(postgres.url) as connection:
        statement: Any = (
            f"SELECT count(*), count(*) FILTER (WHERE ({differs}) IS NOT FALSE) "
            f"FROM {one} one FULL JOIN {two} two USING (n)"
        )
        found = connection.execute(statement).fetchone()
        drop: Any = f"DROP TABLE {', '.join(names)}"
        connection.execute(drop)
    assert found is not None
    return found[0], not found[1]


def _run(
    postgres: Any, framework: str, fast: bool, kind: str, chunks: int, table: str
) -> dict[str, float]:
    at = postgres.dsn
    parts = {
        "host": at.host,
        "port": str(at.port),
        "user": at.user,
        "password": at.password,
        "database": at.database,
    }
    given = [framework, str(int(fast)), kind, str(chunks), json.dumps(parts), table]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingestion_corpus", "--arm", json.dumps(given)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def main(
    framework: Annotated[str, typer.Option(help="llama-index or langchain.")] = "llama-index",
    chunks: Annotated[int, typer.Option(help="Chunks, about.")] = 5000,
    embedding: Annotated[str, typer.Option(help="minilm, or none.")] = "minilm",
    rounds: Annotated[int, typer.Option(help="Runs of each arm.")] = 1,
    arm: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure both arms; 1 if rows differ."""
    if arm:
        name, fast, kind, count, parts, table = json.loads(arm)
        _arm(name, fast == "1", kind, int(count), parts, table)
    from ayo_bridge.serving.postgres import EmbeddedPostgres

    told: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    same, count = True, 0
    with EmbeddedPostgres() as postgres:
        for number in range(rounds):
            tables = [f"corpus_{number}_{fast}" for fast in (0, 1)]
            for fast, table in zip((False, True), tables, strict=True):
                told[fast].append(_run(postgres, framework, fast, embedding, chunks, table))
            count, alike = _same(postgres, framework, tables)
            same = same and alike
    plain, quick = (
        {key: statistics.median(each[key] for each in told[fast]) for key in told[fast][0]}
        for fast in (False, True)
    )
    print(
        f"{framework}, {count} chunks, embedding {embedding}: "
        f"{plain['seconds']:.2f} -> {quick['seconds']:.2f} s, "
        f"{plain['seconds'] / quick['seconds']:.2f}x; "
        f"processor {plain['cpu']:.2f} -> {quick['cpu']:.2f} s; "
        f"peak {plain['peak']:.0f} -> {quick['peak']:.0f} MiB "
        f"({quick['peak'] / plain['peak']:.2f}x), of these before it began "
        f"{plain['before']:.0f} -> {quick['before']:.0f} MiB; rows "
        + ("are the same" if same else "DIFFER")
    )
    sys.exit(int(not same))


if __name__ == "__main__":
    typer.run(main)

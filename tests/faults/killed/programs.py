"""Programs that ingest, each run in a process of its own that can be killed.

A process that has imported everything forks for each run, so that a run begins at once.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any

CHUNKS, BATCH = 96, 24
_NEEDED = (
    *("langchain_core.documents", "langchain_core.embeddings", "langchain_postgres", "asyncpg"),
    *("llama_index.core.extractors", "llama_index.llms.openai_like", "openai.resources"),
    *("llama_index.vector_stores.postgres", "llama_index.core.embeddings", "ayo_bridge"),
)


def documents() -> list[Any]:
    """What both programs ingest."""
    from llama_index.core import Document

    return [
        Document(id_=f"book-{book}", text=" ".join(f"Line {book} {n}." for n in range(8)))
        for book in range(CHUNKS)
    ]


def by_llama_index(postgres: str, llm_url: str, table: str, fast: bool) -> None:
    """Keywords by an LLM, then rows in batches."""
    from llama_index.core import StorageContext, VectorStoreIndex
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.extractors import KeywordExtractor
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.llms.openai_like import OpenAILike
    from llama_index.vector_stores.postgres import PGVectorStore
    from sqlalchemy import make_url

    from ayo_bridge import Runtime, accelerate

    url = make_url(postgres)
    store = PGVectorStore.from_params(
        host=url.host,
        port=str(url.port),
        database=url.database,
        user=url.username,
        password=url.password,
        table_name=table,
        embed_dim=8,
    )
    llm = OpenAILike(
        model="stub", api_base=llm_url, api_key="none", is_chat_model=True, max_retries=0
    )
    splitter = SentenceSplitter(id_func=lambda number, document: f"{document.id_}-{number}")

    def ingest(given: list[Any]) -> Any:
        return VectorStoreIndex.from_documents(
            given,
            transformations=[splitter, KeywordExtractor(llm=llm, show_progress=False)],
            embed_model=MockEmbedding(embed_dim=8),
            storage_context=StorageContext.from_defaults(vector_store=store),
            insert_batch_size=BATCH,
        )

    run = accelerate(ingest, runtime=Runtime(max_ahead=16, templates=False)) if fast else ingest
    run(documents())


def by_langchain(postgres: str, llm_url: str, table: str, fast: bool) -> None:
    """Rows in batches, each of which is written over if it is there."""
    from langchain_core.documents import Document
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_postgres import PGEngine, PGVectorStore

    from ayo_bridge import Runtime, accelerate

    engine = PGEngine.from_connection_string(postgres.replace("ql://", "ql+asyncpg://", 1))
    try:
        engine.init_vectorstore_table(table, 8)
    except Exception as error:
        if "already exists" not in str(error):
            raise
    store = PGVectorStore.create_sync(engine, DeterministicFakeEmbedding(size=8), table)
    given = [
        Document(
            id=f"00000000-0000-4000-8000-{number:012x}",
            page_content=each.text,
            metadata={"book": each.id_},
        )
        for number, each in enumerate(documents())
    ]

    def ingest(given: list[Any]) -> None:
        for start in range(0, len(given), BATCH):
            store.add_documents(given[start : start + BATCH])

    run = accelerate(ingest, runtime=Runtime(templates=False)) if fast else ingest
    run(given)


PROGRAMS = {"llama-index": by_llama_index, "langchain": by_langchain}


def _import() -> None:
    """All that the programs need, so that none of them imports it."""
    for name in _NEEDED:
        importlib.import_module(name)
    importlib.import_module("llama_index.core.utils").get_tokenizer()("Read from the disk now.")
    importlib.import_module("ayo_bridge.adapter").adapters()


def main() -> None:
    """Fork for each line ``program postgres llm table fast``; tell its process, then its end."""
    _import()
    print("ready", flush=True)
    for line in sys.stdin:
        program, postgres, llm, table, fast = line.split()
        pid = os.fork()
        if not pid:
            status = 1
            try:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                PROGRAMS[program](postgres, llm, table, fast == "True")
                status = 0
            except BaseException as error:
                print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr, flush=True)
            finally:
                os._exit(status)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()

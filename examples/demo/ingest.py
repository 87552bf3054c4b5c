"""From text to a searchable index, the ordinary LlamaIndex way; a second run finds it done."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from examples.demo.corpus import Entry
from examples.demo.settings import Settings

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres

_BATCH = 20
_SCHEMA = "demo"
_FINISHED = "ingested completely"


def table_name(settings: Settings, model: str, entries: Sequence[Entry]) -> str:
    """A name for exactly this text, cut and embedded in exactly this way."""
    recipe = [model, settings.embedding, settings.chunks, settings.chunk_tokens, len(entries)]
    text = "".join(entry.text for entry in entries)
    return f"docs_{hashlib.sha256((json.dumps(recipe) + text).encode()).hexdigest()[:12]}"


def open_store(database: EmbeddedPostgres, table: str, dimensions: int) -> Any:
    """The vector store of a table, which need not exist yet."""
    from llama_index.vector_stores.postgres import PGVectorStore

    parts = database.dsn
    return PGVectorStore.from_params(
        host=parts.host,
        port=str(parts.port),
        user=parts.user,
        password=parts.password,
        database=parts.database,
        schema_name=_SCHEMA,
        table_name=table,
        embed_dim=dimensions,
    )


def stored(database: EmbeddedPostgres, table: str) -> int:
    """How many chunks a table holds; 0 if it does not exist or was left unfinished."""
    import psycopg

    with psycopg.connect(database.url) as connection:
        name = f"{_SCHEMA}.data_{table}"
        note = connection.execute("SELECT obj_description(to_regclass(%s))", [name]).fetchone()
        if note != (_FINISHED,):
            return 0
        row = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
        return int(row[0]) if row else 0


def finish(database: EmbeddedPostgres, table: str) -> None:
    """Note in the database that a table is complete."""
    import psycopg

    with psycopg.connect(database.url) as connection:
        connection.execute(f"COMMENT ON TABLE {_SCHEMA}.data_{table} IS '{_FINISHED}'")


def forget(database: EmbeddedPostgres, table: str) -> None:
    """Drop a table that is not finished."""
    import psycopg

    with psycopg.connect(database.url) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {_SCHEMA}.data_{table}")


def cut(settings: Settings, entries: Sequence[Entry]) -> list[Any]:
    """The chunks to ingest: the first of every module, then the second of every module, ...

    A chunk that does not come to half the wanted size is left out: it would be packed with its
    neighbour, and the number of LLM calls would differ from question to question.
    """
    from llama_index.core import Document
    from llama_index.core import Settings as LlamaIndexSettings
    from llama_index.core.node_parser import SentenceSplitter

    texts: defaultdict[str, list[str]] = defaultdict(list)
    for entry in entries:
        texts[entry.module].append(entry.text)
    splitter = SentenceSplitter(chunk_size=settings.chunk_tokens, chunk_overlap=0)
    count = LlamaIndexSettings.tokenizer
    turns: defaultdict[int, list[Any]] = defaultdict(list)
    for module, parts in texts.items():
        document = Document(text="\n\n".join(parts), metadata={"module": module})
        for turn, node in enumerate(splitter.get_nodes_from_documents([document])):
            if len(count(node.get_content())) >= settings.chunk_tokens // 2:
                turns[turn].append(node)
    ordered = [node for turn in sorted(turns) for node in turns[turn]]
    return ordered[: settings.chunks]


def ingest(index: Any, nodes: Sequence[Any], advance: Callable[[int], None]) -> None:
    """Embed and store chunks, and tell after each batch how many there were."""
    for start in range(0, len(nodes), _BATCH):
        batch = list(nodes[start : start + _BATCH])
        index.insert_nodes(batch)
        advance(len(batch))

"""What a vector store of LangChain holds after an ingestion.

Ids are left out: a store draws them where a document has none. Read with langchain-core 1.2,
langchain-postgres 0.0.19, langchain-chroma 1.1.0 and langchain-community 0.4.2 (FAISS).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ayo_bridge.lift.entry import Entry, Kind
from ayo_bridge.lift.ingests import Ingests, Row, Text, UnreadError, Way, row
from ayo_bridge.lift.recognise import is_a

_KINDS: Final = {"add_documents": Kind.CALL, "aadd_documents": Kind.AWAIT}


class LangChainIngests(Ingests):
    """Vector stores."""

    packages = ("langchain",)

    def way(self, obj: Any, entry: str) -> Way | None:
        """``add_documents`` or ``aadd_documents`` of a store."""
        kind = _KINDS.get(entry or "add_documents")
        if kind is None or not _is_store(obj):
            return None
        method = getattr(obj, entry or "add_documents")
        shared = "what it has stored stays"
        return Way(method, Entry(method.__name__, kind), _adds, shared=shared)

    def loaded(self) -> bool:
        """Whether the application has imported LangChain."""
        return "langchain_core.documents" in sys.modules

    def documents(self, texts: Sequence[Text]) -> list[Any]:
        """Documents; with an id only where the file has one."""
        from langchain_core.documents import Document

        return [
            Document(
                page_content=each.text,
                metadata=dict(each.metadata),
                id=each.name if each.given else None,
            )
            for each in texts
        ]

    def stored(self, obj: Any, returned: Any) -> Mapping[str, Sequence[Row]] | None:
        """Rows of a store, in its order; where it has none, in that of the ids it gave back."""
        if not _is_store(obj):
            return None
        name = type(obj).__name__
        try:
            reads = _READ.get(name)
            return {name: _by_ids(obj, returned) if reads is None else reads(obj)}
        except Exception as error:
            why = f"what is in the {name} is not read ({type(error).__name__})"
            raise UnreadError(why) from error


def _adds(add: Any, documents: Any) -> Any:
    return add(documents)


def _is_store(obj: Any) -> bool:
    return is_a(obj, "langchain_core.vectorstores.base", "VectorStore")


def _by_ids(store: Any, ids: Any) -> list[Row]:
    """Texts and metadata only."""
    if not (isinstance(ids, list) and all(isinstance(each, str) for each in ids)):
        return []
    found = {each.id: each for each in store.get_by_ids(ids)}
    return [row(found[id].page_content, found[id].metadata) for id in ids if id in found]


def _in_memory(store: Any) -> list[Row]:
    return [row(each["text"], each["metadata"], each["vector"]) for each in store.store.values()]


def _in_faiss(store: Any) -> list[Row]:
    places = sorted(store.index_to_docstore_id.items())
    found = [(place, store.docstore.search(id)) for place, id in places]
    return [
        row(each.page_content, each.metadata, store.index.reconstruct(place))
        for place, each in found
    ]


def _in_chroma(store: Any) -> list[Row]:
    found = store.get(include=["documents", "metadatas", "embeddings"])
    columns = (found["documents"], found["metadatas"], found["embeddings"])
    return [row(*each) for each in zip(*columns, strict=True)]


def _in_postgres(store: Any) -> list[Row]:
    from sqlalchemy import text

    inner = store._PGVectorStore__vs
    columns = [inner.content_column, inner.embedding_column, inner.metadata_json_column]
    named = ", ".join("NULL" if each is None else f'"{each}"::text' for each in columns)
    wanted = f'SELECT {named} FROM "{inner.schema_name}"."{inner.table_name}" ORDER BY ctid'

    async def read() -> Any:
        async with inner.engine.connect() as connection:
            return (await connection.execute(text(wanted))).all()

    return [
        row(content, metadata and json.loads(metadata), vector and json.loads(vector))
        for content, vector, metadata in store._engine._run_as_sync(read())
    ]


_READ: Final = {
    "InMemoryVectorStore": _in_memory,
    "FAISS": _in_faiss,
    "Chroma": _in_chroma,
    "PGVectorStore": _in_postgres,
}

__all__ = ["LangChainIngests"]

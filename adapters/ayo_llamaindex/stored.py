"""What a run of a pipeline stored: the nodes it gave back, and the rows of its stores.

Ids of nodes are drawn at random, and what refers to other nodes by them, too: both are left out.
Written for llama-index-core 0.14.25 and llama-index-vector-stores-postgres 0.9.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from ayo_bridge.lift.entry import Entry, Kind
from ayo_bridge.lift.ingests import Ingests, Row, Text, UnreadError, Way, row
from ayo_bridge.lift.recognise import is_a
from ayo_llamaindex.ingestion import is_fresh

_KINDS: Final = {"run": Kind.CALL, "arun": Kind.AWAIT}
_PIPELINE: Final = ("llama_index.core.ingestion.pipeline", "IngestionPipeline")
_NODE: Final = ("llama_index.core.schema", "BaseNode")
_CACHED: Final = (
    "its cache may hold what an earlier run has made: measure IngestionPipeline(disable_cache=True)"
)


class LlamaIndexIngests(Ingests):
    """Pipelines, the nodes that they return, and the stores and indexes that hold them."""

    packages = ("llama_index",)

    def way(self, obj: Any, entry: str) -> Way | None:
        """``run`` or ``arun`` of a pipeline."""
        kind = _KINDS.get(entry or "run")
        if kind is None or not is_a(obj, *_PIPELINE):
            return None
        stores = [each for each in (obj.vector_store, obj.docstore) if each is not None]
        name = entry or "run"
        return Way(
            obj,
            Entry(name, kind),
            _runs(name),
            again=None if stores else partial(_again, obj),
            shared=f"it writes to a {type(stores[0]).__name__}" if stores else "",
            stale="" if obj.disable_cache or is_fresh(obj.cache) else _CACHED,
        )

    def loaded(self) -> bool:
        """Whether the application has imported LlamaIndex."""
        return "llama_index.core" in sys.modules

    def documents(self, texts: Sequence[Text]) -> list[Any]:
        """Documents, whose ids are the names of the texts: drawn ones would differ."""
        from llama_index.core.schema import Document

        return [
            Document(id_=each.name, text=each.text, metadata=dict(each.metadata)) for each in texts
        ]

    def stored(self, obj: Any, returned: Any) -> Mapping[str, Sequence[Row]] | None:
        """Rows of a pipeline's stores, of an index, of a store, or of nodes."""
        if _is_nodes(obj):
            return {"nodes": [_of_node(each) for each in obj]}
        ids = [each.node_id for each in returned] if _is_nodes(returned) else []
        if is_a(obj, *_PIPELINE):
            found = {} if obj.vector_store is None else _of_store(obj.vector_store, ids)
            return {**found, **({} if obj.docstore is None else _of_docstore(obj.docstore))}
        if is_a(obj, "llama_index.core.indices.vector_store.base", "VectorStoreIndex"):
            ids = list(obj.index_struct.nodes_dict.values())
            return {**_of_docstore(obj.docstore), **_of_store(obj.vector_store, ids)}
        if is_a(obj, "llama_index.core.vector_stores.types", "BasePydanticVectorStore"):
            return _of_store(obj, ids)
        return None


def _is_nodes(obj: Any) -> bool:
    return isinstance(obj, Sequence) and bool(obj) and all(is_a(each, *_NODE) for each in obj)


def _runs(entry: str) -> Any:
    return lambda pipeline, documents: getattr(pipeline, entry)(documents=documents)


def _again(pipeline: Any) -> Any:
    """A pipeline of the same transformations, whose cache is its own."""
    from llama_index.core.ingestion import IngestionCache

    return pipeline.model_copy(update={"cache": IngestionCache()})


def _of_node(node: Any) -> Row:
    return row(node.get_content(), dict(node.metadata), node.embedding)


def _of_docstore(store: Any) -> Mapping[str, Sequence[Row]]:
    return {type(store).__name__: [_of_node(each) for each in store.docs.values()]}


def _of_store(store: Any, ids: Sequence[str]) -> Mapping[str, Sequence[Row]]:
    """In the order in which it holds them; a store that has none, in that of the nodes.

    Raises:
        UnreadError: it does not tell.
    """
    name = type(store).__name__
    try:
        if name == "SimpleVectorStore":
            return {name: _in_memory(store.data)}
        if name == "PGVectorStore":
            return {name: _in_postgres(store)}
        if not ids:
            return {}
        nodes = {each.node_id: each for each in store.get_nodes(node_ids=list(ids))}
    except Exception as error:
        raise UnreadError(f"what is in the {name} is not read ({type(error).__name__})") from error
    return {name: [_of_node(nodes[each]) for each in ids if each in nodes]}


def _in_memory(data: Any) -> list[Row]:
    """It holds no texts; metadata name the document, whose id is no drawn one."""
    return [
        row(None, data.metadata_dict.get(id), vector) for id, vector in data.embedding_dict.items()
    ]


def _in_postgres(store: Any) -> list[Row]:
    from llama_index.core.vector_stores.utils import metadata_dict_to_node
    from sqlalchemy import select

    store._initialize()
    table = store._table_class
    wanted = select(table.text, table.metadata_, table.embedding).order_by(table.id)
    with store._session() as session:
        found = session.execute(wanted).all()
    return [
        row(text, dict(metadata_dict_to_node(metadata).metadata), vector)
        for text, metadata, vector in found
    ]


__all__ = ["LlamaIndexIngests"]

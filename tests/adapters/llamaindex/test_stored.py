"""What a run of a pipeline stored is read back: its nodes, and the rows of its stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore

from ayo_bridge.lift.ingests import Text, UnreadError, Vector
from ayo_llamaindex.stored import LlamaIndexIngests
from tests.differential.llama_index_parts import postgres_store

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres

TEXTS = [Text(f"The {name} is closed.", {"n": name}, name) for name in ("gate", "mill")]
INGESTS = LlamaIndexIngests()
HALF = Vector([0.5] * 4)


def run(**stores: Any) -> dict[str, Any]:
    parts = [SentenceSplitter(), MockEmbedding(embed_dim=4)]
    pipeline = IngestionPipeline(transformations=parts, **stores)
    assert not any((INGESTS.stored(pipeline, None) or {}).values()), "nothing is there before"
    nodes = pipeline.run(documents=INGESTS.documents(TEXTS))
    found = INGESTS.stored(nodes, None)
    assert found == {"nodes": [(each.text, each.metadata, HALF) for each in TEXTS]}
    return dict(INGESTS.stored(pipeline, nodes) or {})


def test_rows_in_memory_name_their_documents() -> None:
    found = run(vector_store=SimpleVectorStore(), docstore=SimpleDocumentStore())
    rows = found["SimpleVectorStore"]
    assert [(text, data["ref_doc_id"], data["n"], vector) for text, data, vector in rows] == [
        (None, each.name, each.name, HALF) for each in TEXTS
    ]
    assert [row[0] for row in found["SimpleDocumentStore"]] == [each.text for each in TEXTS]


@pytest.mark.real
def test_rows_in_postgres_come_in_their_order(postgres: EmbeddedPostgres) -> None:
    store = postgres_store(postgres, table_name="read_back", embed_dim=4)
    found = run(vector_store=store)
    assert found == {"PGVectorStore": [(each.text, each.metadata, HALF) for each in TEXTS]}


def test_an_index_holds_its_nodes_and_their_vectors() -> None:
    index = VectorStoreIndex.from_documents(
        INGESTS.documents(TEXTS), embed_model=MockEmbedding(embed_dim=4)
    )
    found = INGESTS.stored(index, None)
    assert found is not None
    assert [row[0] for row in found["SimpleDocumentStore"]] == [each.text for each in TEXTS]
    assert [row[2] for row in found["SimpleVectorStore"]] == [HALF, HALF]


def test_a_store_that_does_not_tell_is_unread() -> None:
    class Mute(SimpleVectorStore):
        """Its rows are elsewhere."""

    with pytest.raises(UnreadError, match="what is in the Mute is not read"):
        run(vector_store=Mute())

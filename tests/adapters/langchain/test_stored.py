"""What a vector store of LangChain holds is read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from ayo_bridge import Runtime, accelerate
from ayo_bridge.lift.ingests import Text, UnreadError, Vector
from ayo_langchain.stored import LangChainIngests

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres

TEXTS = [Text(f"Door {number}.", {"n": number}, str(number)) for number in range(6)]
INGESTS = LangChainIngests()
EMBEDDING = DeterministicFakeEmbedding(size=8)
ROWS = [(t.text, t.metadata, Vector(EMBEDDING.embed_query(t.text))) for t in TEXTS]


def ingested(store: Any) -> Any:
    before = INGESTS.stored(store, None)
    assert before == {type(store).__name__: []}
    add = accelerate(store.add_documents, runtime=Runtime(templates=False))
    ids = add(INGESTS.documents(TEXTS))
    return INGESTS.stored(store, ids)


def test_rows_in_memory() -> None:
    assert ingested(InMemoryVectorStore(EMBEDDING)) == {"InMemoryVectorStore": ROWS}


@pytest.mark.filterwarnings("ignore:.*langchain-community. is being sunset")
def test_rows_of_faiss_and_chroma() -> None:
    faiss = pytest.importorskip("faiss")
    chroma = pytest.importorskip("langchain_chroma")
    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.vectorstores import FAISS

    store = FAISS(EMBEDDING, faiss.IndexFlatL2(8), InMemoryDocstore(), {})
    assert ingested(store) == {"FAISS": ROWS}
    assert ingested(chroma.Chroma("read_back", EMBEDDING)) == {"Chroma": ROWS}


@pytest.mark.real
def test_rows_that_were_copied_into_postgres(postgres: EmbeddedPostgres) -> None:
    from langchain_postgres import PGEngine, PGVectorStore

    at = postgres.dsn
    url = f"postgresql+asyncpg://{at.user}:{at.password}@{at.host}:{at.port}/{at.database}"
    engine = PGEngine.from_connection_string(url)
    engine.init_vectorstore_table("read_back", 8)
    store = PGVectorStore.create_sync(engine, EMBEDDING, "read_back")
    assert ingested(store) == {"PGVectorStore": ROWS}


def test_a_store_that_does_not_tell_is_unread() -> None:
    class Mute(InMemoryVectorStore):
        """Its rows are elsewhere."""

        def get_by_ids(self, ids: Any, /) -> Any:
            raise NotImplementedError

    store = Mute(EMBEDDING)
    assert INGESTS.stored(store, None) == {"Mute": []}
    with pytest.raises(UnreadError, match="what is in the Mute is not read"):
        INGESTS.stored(store, store.add_documents(INGESTS.documents(TEXTS)))

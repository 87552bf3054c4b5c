"""How the known vector stores hold a write back, with the rows that their own ``add`` writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ayo_bridge.lift.copies import own
from ayo_bridge.lift.staging import NotStagedError, Row


class PostgresTransaction:
    """One open transaction of a ``PGVectorStore``, on a connection of its own.

    Rows, statements and order are those of ``add`` (llama-index-vector-stores-postgres 0.9.0): the
    store's own row builder and session class. The connection comes from a copy of the store's pool,
    so that a held-back write never keeps the store from one of its own connections.
    """

    def __init__(self, store: Any) -> None:
        """Raises:
        NotStagedError: the store is not connected yet, or somebody listens to its connection.
        """
        if not store._is_initialized:
            raise NotStagedError("the store sets itself up in its first call")
        if getattr(store._engine, "_has_events", False):
            raise NotStagedError("the store's SQLAlchemy engine has event listeners")
        self._store = store
        self._session: Any = None
        self._engine: Any = None

    def row(self, node: Any) -> Row:
        """Values of the columns that ``add`` sets."""
        made = self._store._node_to_table_row(node)
        return (made.node_id, own(made.embedding), made.text, made.metadata_)

    def write(self, rows: Sequence[Row]) -> None:
        """Send the inserts."""
        from sqlalchemy.engine import Engine

        engine = self._store._engine
        self._engine = Engine(
            engine.pool.recreate(),
            engine.dialect,
            engine.url,
            echo=engine.echo,
            execution_options=engine.get_execution_options(),
        )
        self._session = self._store._session(bind=self._engine)
        self._session.begin()
        connection = self._session.connection().connection.dbapi_connection
        if getattr(connection, "autocommit", True):
            raise NotStagedError("the store's connections commit every statement by themselves")
        for node_id, embedding, text, metadata in rows:
            self._session.add(
                self._store._table_class(
                    node_id=node_id, embedding=embedding, text=text, metadata_=metadata
                )
            )
        self._session.flush()

    def alive(self) -> bool:
        """Ask the server: it may have restarted, or ended an idle transaction."""
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    def commit(self) -> None:
        """Commit, once: after a failure nobody can know whether it took effect."""
        self._session.commit()

    def release(self) -> None:
        """Roll back and close the connection."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            if self._session is not None:
                self._session.close()
        except SQLAlchemyError:
            pass  # The connection is gone, and the server has rolled back.
        finally:
            if self._engine is not None:
                self._engine.dispose()


class SimpleTransaction:
    """Entries of a ``SimpleVectorStore``, merged at the commit."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._data: Any = None

    def row(self, node: Any) -> Row:
        """What ``add`` puts under the node's id (llama-index-core 0.14.25)."""
        from llama_index.core.vector_stores.utils import node_to_metadata_dict

        metadata = node_to_metadata_dict(node, remove_text=True, flat_metadata=False)
        content = metadata.pop("_node_content", None)
        reference = node.ref_doc_id or "None"
        return (node.node_id, own(node.get_embedding()), reference, metadata, content)

    def write(self, rows: Sequence[Row]) -> None:
        """Make the entries; the store is not touched."""
        from llama_index.core.vector_stores.simple import SimpleVectorStoreData

        self._data = SimpleVectorStoreData(
            embedding_dict={row[0]: row[1] for row in rows},
            text_id_to_ref_doc_id={row[0]: row[2] for row in rows},
            metadata_dict={row[0]: row[3] for row in rows},
        )

    def alive(self) -> bool:
        """Entries in memory are never lost."""
        return self._data is not None

    def commit(self) -> None:
        """Merge the entries into whatever data the store has now."""
        data = self._store.data
        data.embedding_dict.update(self._data.embedding_dict)
        data.text_id_to_ref_doc_id.update(self._data.text_id_to_ref_doc_id)
        data.metadata_dict.update(self._data.metadata_dict)

    def release(self) -> None:
        """Forget the entries."""
        self._data = None

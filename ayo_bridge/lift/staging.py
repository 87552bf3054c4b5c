"""Writes to a vector store made ahead: complete and invisible until the original makes them."""

from __future__ import annotations

import enum
import threading
from collections.abc import Sequence
from typing import Any, Protocol

from ayo_bridge.errors import AyoBridgeError

Row = tuple[Any, ...]


class NotStagedError(AyoBridgeError):
    """A write cannot be made ahead; the original makes it."""


class Transaction(Protocol):
    """What a store does for one staged write. Used by one thread at a time."""

    def row(self, node: Any) -> Row:
        """What ``add`` would write for a node; shares nothing with it."""

    def write(self, rows: Sequence[Row]) -> None:
        """Write the rows so that nobody else sees them."""

    def alive(self) -> bool:
        """Whether what was written can still be committed."""

    def commit(self) -> None:
        """Let everybody see the rows."""

    def release(self) -> None:
        """Undo what is not committed and let go of every resource."""


class _State(enum.Enum):
    NEW = enum.auto()
    WRITTEN = enum.auto()
    OVER = enum.auto()


class Staged:
    """One ``add`` made ahead. Thread-safe.

    Its rows are written at most once and then either committed or rolled back, never both. A
    rollback never waits for a write in progress: that write undoes itself when it ends.
    """

    def __init__(self, transaction: Transaction, nodes: Sequence[Any]) -> None:
        self._transaction = transaction
        self._rows = [transaction.row(node) for node in nodes]
        self._lock = threading.Lock()
        self._state = _State.NEW
        self._given_up = False

    def write(self) -> Staged:
        """Write the rows.

        Raises:
            NotStagedError: the store cannot hold a write back, or this one was given up.
            Exception: whatever the store raises; nothing is left of the write then.
        """
        with self._lock:
            if self._given_up or self._state is not _State.NEW:
                raise NotStagedError("this write was made or given up before")
            try:
                self._transaction.write(self._rows)
            except BaseException:
                self._end()
                raise
            self._state = _State.WRITTEN
        self._settle()
        return self

    def run(self) -> object:
        """Write the rows, as the payload of a call to a store."""
        return self.write()

    def equals(self, nodes: Sequence[Any]) -> bool:
        """Whether ``add(nodes)`` would write exactly these rows."""
        return len(nodes) == len(self._rows) and all(
            self._transaction.row(node) == row for node, row in zip(nodes, self._rows, strict=True)
        )

    def commit(self) -> bool:
        """Let everybody see the rows; ``False`` if the write was lost and nothing is written.

        Raises:
            Exception: the commit itself failed, as the commit of ``add`` would have.
        """
        with self._lock:
            if self._given_up or self._state is not _State.WRITTEN:
                done = False
            elif not self._transaction.alive():
                self._end()
                done = False
            else:
                try:
                    self._transaction.commit()
                finally:
                    self._end()
                done = True
        self._settle()
        return done

    def rollback(self) -> None:
        """Give the write up. Does nothing after a commit."""
        self._given_up = True
        if self._lock.acquire(blocking=False):
            try:
                if self._state is _State.WRITTEN:
                    self._end()
                self._state = _State.OVER
            finally:
                self._lock.release()

    def _settle(self) -> None:
        """Roll back if that was asked for while the lock was held."""
        if self._given_up:
            self.rollback()

    def _end(self) -> None:
        self._state = _State.OVER
        self._transaction.release()

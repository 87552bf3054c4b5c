"""Contents of in-memory stores, numbered: another number, other contents."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from ayo_bridge.seam import new_lock


class Versions:
    """Numbers the contents of live stores that are plain dictionaries. Thread-safe.

    Anybody may change such a store at any time, so a request names the contents it searched: a
    result computed ahead is taken only while the store still holds the very same entries.

    Args:
        entries: the dictionary of a store.
        copy: a store of its own that holds entries.
    """

    def __init__(
        self,
        entries: Callable[[Any], dict[Any, Any]],
        copy: Callable[[Any, dict[Any, Any]], Any],
    ) -> None:
        self._entries = entries
        self._copy = copy
        self._lock = new_lock()
        self._known: weakref.WeakKeyDictionary[Any, tuple[int, Any, Any]] = (
            weakref.WeakKeyDictionary()
        )

    def of(self, store: Any) -> tuple[int, Any]:
        """The number of the present contents, and a store of its own that holds them."""
        with self._lock:
            entries = dict(self._entries(store))
            # The snapshot keeps its entries alive, so that no other can have their ids.
            seen = (list(entries), list(map(id, entries.values())))
            version, known, snapshot = self._known.get(store, (0, None, None))
            if known != seen:
                version += 1
                snapshot = self._copy(store, entries)
                self._known[store] = (version, seen, snapshot)
            return version, snapshot

"""Readable names for live objects: the identity of an engine that wraps somebody else's object."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Final

from ayo_bridge.seam import new_rlock

_GENERIC: Final = frozenset({"", "model", "models", "main", "latest", "snapshots"})
_HASH_LENGTH: Final = 40


class LiveNames:
    """Gives every object a name of its own for as long as it lives. Thread-safe.

    Objects are told apart by identity and not kept alive. A second live object with the same
    readable name is numbered (``embedding:MiniLM#2``); a name is free again when its object is
    gone.
    """

    def __init__(self) -> None:
        self._lock = new_rlock()  # A weak reference's callback may run at any allocation.
        self._names: dict[int, tuple[weakref.ref[object], str]] = {}
        self._taken: set[str] = set()

    def find(self, obj: object) -> str | None:
        """The name of an object that has one."""
        entry = self._names.get(id(obj))
        return entry[1] if entry is not None and entry[0]() is obj else None

    def name(self, obj: object, readable: str) -> str:
        """The name of an object, made from ``readable`` when it is asked for first."""
        with self._lock:
            found = self.find(obj)
            if found is not None:
                return found
            name, number = readable, 1
            while name in self._taken:
                number += 1
                name = f"{readable}#{number}"
            self._taken.add(name)
            identity = id(obj)

            def gone(reference: weakref.ref[object]) -> None:
                self._forget(identity, name, reference)

            self._names[identity] = (weakref.ref(obj, gone), name)
            return name

    def _forget(self, identity: int, name: str, reference: weakref.ref[object]) -> None:
        with self._lock:
            entry = self._names.get(identity)
            if entry is not None and entry[0] is reference:  # The id may have been reused.
                del self._names[identity]
            self._taken.discard(name)


def base_name(readable: str) -> str:
    """A name without its number: what objects loaded from the same place share."""
    head, _, number = readable.rpartition("#")
    return head if head and number.isdigit() else readable


def model_name(source: str) -> str:
    """The telling part of a model's path or hub name.

    ``sentence-transformers/all-MiniLM-L6-v2`` is ``all-MiniLM-L6-v2``; in
    ``.../models--BAAI--bge-small-en/snapshots/<hash>`` it is ``bge-small-en``; of a directory
    called ``model`` it is the parent.
    """
    for part in reversed(Path(source).parts):
        if part.startswith("models--"):
            return part.rsplit("--", 1)[-1]
        is_hash = len(part) == _HASH_LENGTH and all(c in "0123456789abcdef" for c in part)
        if part.lower() not in _GENERIC and not is_hash and part != "/":
            return part
    return "unnamed"

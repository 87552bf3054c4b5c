"""Locks that are free in a forked child, whichever thread of its parent held them.

For what lives longer than a call. A child has one thread: what was being changed under a lock at
that moment is never finished there, so these hold no more than what can be made anew or is judged
again.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Final
from weakref import WeakSet

_locks: Final[WeakSet[Any]] = WeakSet()


def new_lock() -> threading.Lock:
    """A lock."""
    lock = threading.Lock()
    _locks.add(lock)
    return lock


def new_rlock() -> threading.RLock:
    """A reentrant lock."""
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def _free_all() -> None:
    for lock in list(_locks):
        lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_all)

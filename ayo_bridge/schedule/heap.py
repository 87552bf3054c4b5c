"""Memory that batches have used and freed is given back to the system.

A batch's tensors are larger than those of the application's single calls. glibc takes the largest
block that was ever freed as the measure of what it keeps free, in each thread's arena: up to twice
its size (``mallopt(3)``, ``M_MMAP_THRESHOLD``). With MiniLM and sixteen callers that is 130 MiB of
a process of 900, which its container counts.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Final

from ayo_bridge.seam import new_lock

EVERY_SECONDS: Final = 5.0
"""It takes 1 to 10 ms of the thread that does it: 0.2 % of its time at most."""

_lock = new_lock()
_last = 0.0


def give_back(now: bool = False) -> None:
    """Return free pages of the C heap to the system; mostly nothing, unless it is time for it.

    Args:
        now: whether it is time for it whenever that was done last.
    """
    global _last
    if not _lock.acquire(blocking=False):
        return  # Another thread does it.
    try:
        if now or time.monotonic() - _last >= EVERY_SECONDS:
            _malloc_trim()(0)
            _last = time.monotonic()
    finally:
        _lock.release()


@cache
def _malloc_trim() -> Callable[[int], object]:
    """glibc's; on other systems nothing is done."""
    if not sys.platform.startswith("linux"):
        return lambda pad: None
    found: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found or (lambda pad: None)

"""Free memory goes back to the system, and not too often."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from ayo_bridge.schedule import heap

BLOCKS, SIZE = 1_000, 64 << 10


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap")
def test_pages_below_a_block_in_use_are_the_systems_again() -> None:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim"):
        pytest.skip("glibc's heap")
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    blocks = [libc.malloc(SIZE) for _ in range(BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, SIZE)
    for block in blocks[:-1]:  # The last one holds what lies below it.
        libc.free(block)
    held = _resident()
    heap.give_back(now=True)
    assert held - _resident() > BLOCKS * SIZE // 2
    libc.free(blocks[-1])


def test_it_takes_place_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    trimmed: list[int] = []
    monkeypatch.setattr(heap, "_last", 0.0)
    monkeypatch.setattr(heap, "_malloc_trim", lambda: trimmed.append)
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    for _ in range(100):
        heap.give_back()
        clock[0] += 0.1
    assert len(trimmed) == 2

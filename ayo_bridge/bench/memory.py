"""How much memory a run takes: that of the process, at most, beyond what it had before."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")
_RESET: Final = Path("/proc/self/clear_refs")
_PEAK: Final = "5"
"""What is written there to begin the peak anew (proc(5))."""


class Peak:
    """Of one run. Linux; elsewhere nothing is known."""

    def __init__(self) -> None:
        """A run is about to begin: what nobody needs any more is given back."""
        gc.collect()
        _give_back()
        try:
            _RESET.write_text(_PEAK)
        except OSError:
            self._before = None
        else:
            self._before = _resident("VmRSS")

    def bytes(self) -> int | None:
        """How much more there was at a time, so far."""
        peak = _resident("VmHWM")
        if self._before is None or peak is None:
            return None
        return max(0, peak - self._before)


def _resident(field: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return None


def _give_back() -> None:
    """Have glibc give free memory back: else a run may live on what the one before it took."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return


__all__ = ["Peak"]

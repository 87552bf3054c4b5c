"""Cores of the machine for the benchmark and for the stub beside it."""

from __future__ import annotations

import os
import sys


def share_cores() -> int | None:
    """Confine this process to all cores but one; returns that one, for the stub."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return None
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, others)
    return first

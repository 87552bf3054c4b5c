"""What other processes are left."""

from collections.abc import Sequence

import psutil


def descendants(pid: int) -> list[psutil.Process]:
    """Every process below `pid`."""
    found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    return found


def all_gone(processes: Sequence[psutil.Process]) -> bool:
    """Whether each has ended (a zombie has)."""
    return not any(map(_runs, processes))


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

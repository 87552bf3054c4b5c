"""Threads of low priority for what no call waits for: never on a thread that makes calls."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from weakref import WeakSet

_NICE: Final = 19
_logger = logging.getLogger(__name__)
Job = Callable[[], None]


class Worker:
    """Does one job after another in a daemon thread; none lives without a job. Thread-safe.

    Args:
        name: of the thread.
        most: so many jobs wait at most; ``None``: any number.
        failed: the logging level of what a job raises.
    """

    def __init__(self, name: str, most: int | None = None, failed: int = logging.ERROR) -> None:
        self._name = name
        self._most = most
        self._failed = failed
        self.forked()
        _workers.add(self)

    def forked(self) -> None:
        """In a child process there is no such thread, and its jobs are the parent's."""
        # Reentrant: a stream may be collected, and its call end, wherever Python allocates.
        self._lock = threading.RLock()
        self._jobs: deque[Job] = deque()
        self._running = False

    def submit(self, job: Job) -> bool:
        """Have a job done some time; ``False``: too many wait already."""
        with self._lock:
            if self._most is not None and len(self._jobs) >= self._most:
                return False
            self._jobs.append(job)
            if self._running:
                return True
            self._running = True
        threading.Thread(target=self._run, name=self._name, daemon=True).start()
        return True

    def is_idle(self) -> bool:
        """Whether all jobs are done."""
        return not self._running

    def _run(self) -> None:
        if sys.platform == "linux":  # Elsewhere it would be the priority of the whole process.
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while True:
            with self._lock:
                if not self._jobs:
                    self._running = False
                    return
                job = self._jobs.popleft()
            try:
                job()
            except Exception:
                _logger.log(self._failed, "a job of %s has failed", self._name, exc_info=True)


_workers: Final[WeakSet[Worker]] = WeakSet()


def _forked() -> None:
    for worker in list(_workers):
        worker.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

"""The one thread in which templates are induced: never on a thread that makes calls."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

NAME: Final = "ayo-learn"
_NICE: Final = 19
_logger = logging.getLogger(__name__)
Job = Callable[[], None]


class Worker:
    """Does one job after another in a daemon thread of low priority; none lives without a job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: deque[Job] = deque()
        self._running = False

    def submit(self, job: Job) -> None:
        """Have a job done some time; what it raises is logged."""
        with self._lock:
            self._jobs.append(job)
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name=NAME, daemon=True).start()

    def is_idle(self) -> bool:
        """Whether all jobs are done."""
        return not self._running

    def forked(self) -> None:
        """In a child process there is no such thread, and its jobs are the parent's."""
        self._lock = threading.Lock()
        self._jobs.clear()
        self._running = False

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
                _logger.debug("nothing was learned", exc_info=True)


worker: Final = Worker()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=worker.forked)

"""The one thread that verifies calls: of low priority, and never with a queue to speak of."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

NAME: Final = "ayo-verify"
MOST: Final = 2
"""So many calls wait at most; what is more is dropped."""
_NICE: Final = 19
_logger = logging.getLogger(__name__)
Job = Callable[[], None]


class Background:
    """Does one job after another in a daemon thread; none lives without a job."""

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """In a child process there is no such thread, and its jobs are the parent's."""
        # Reentrant: a stream may be collected, and its call end, wherever Python allocates.
        self._lock = threading.RLock()
        self._jobs: deque[Job] = deque()
        self._running = False

    def offer(self, job: Job) -> bool:
        """Have a job done some time; ``False``: too many wait already."""
        with self._lock:
            if len(self._jobs) >= MOST:
                return False
            self._jobs.append(job)
            if self._running:
                return True
            self._running = True
        threading.Thread(target=self._run, name=NAME, daemon=True).start()
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
                _logger.exception("a call could not be verified")


background: Final = Background()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=background.forked)

"""Threads of low priority for what no call waits for: never on a thread that makes calls."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from weakref import WeakSet

_NICE: Final = 19
_logger = logging.getLogger(__name__)
Job = Callable[[], None]


class Worker:
    """Does one job after another in a daemon thread. Thread-safe.

    Args:
        name: of the thread.
        most: so many jobs wait at most; ``None``: any number.
        failed: the logging level of what a job raises.
        lingers: seconds for which the thread waits for another job. Starting one costs whoever
            submits a job a tenth of a millisecond.
    """

    def __init__(
        self,
        name: str,
        most: int | None = None,
        failed: int = logging.ERROR,
        lingers: float = 0.0,
    ) -> None:
        self._name = name
        self._most = most
        self._failed = failed
        self._lingers = lingers
        self.forked()
        _workers.add(self)

    def forked(self) -> None:
        """In a child process there is no such thread, and its jobs are the parent's."""
        # Reentrant: a stream may be collected, and its call end, wherever Python allocates.
        self._changed = threading.Condition(threading.RLock())
        self._jobs: deque[Job] = deque()
        self._running = False
        self._busy = False
        self._ending = False

    def submit(self, job: Job) -> bool:
        """Have a job done some time; ``False``: too many wait already."""
        with self._changed:
            if self._most is not None and len(self._jobs) >= self._most:
                return False
            self._jobs.append(job)
            if self._running:
                self._changed.notify_all()
                return True
            self._running = True
        self._start()
        return True

    def is_idle(self) -> bool:
        """Whether all jobs are done."""
        return not self._jobs and not self._busy

    def wait(self, seconds: float) -> bool:
        """Wait until all jobs are done, so long at the most; returns whether they are."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self.is_idle():
                left = until - time.monotonic()
                if left <= 0:
                    return False
                if not self._running:  # The interpreter is shutting down and starts no threads.
                    self._running = self._ending = True
                    self._work()
                    self._ending = False
                else:
                    self._changed.wait(left)
            return True

    def finish(self, seconds: float) -> bool:
        """Like :meth:`wait`; its thread ends then. A later job starts another one."""
        done = self.wait(seconds)
        with self._changed:
            self._ending = True
            self._changed.notify_all()
            while self._running and self._changed.wait(1.0):
                pass
            self._ending = False
        return done

    def _start(self) -> None:
        try:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except RuntimeError:
            with self._changed:
                self._running = False
            _logger.debug("%s has no thread any more", self._name, exc_info=True)

    def _run(self) -> None:
        if sys.platform == "linux":  # Elsewhere it would be the priority of the whole process.
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        self._work()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            except Exception:
                _logger.log(self._failed, "a job of %s has failed", self._name, exc_info=True)

    def _next(self) -> Job | None:
        """The next job; ``None``: there is none any more, and the thread ends."""
        with self._changed:
            if self._busy:
                self._busy = False
                self._changed.notify_all()
            if not self._jobs and not self._ending and self._lingers:
                self._changed.wait(self._lingers)
            if not self._jobs:
                self._running = False
                self._changed.notify_all()
                return None
            self._busy = True
            return self._jobs.popleft()


_workers: Final[WeakSet[Worker]] = WeakSet()


def _forked() -> None:
    for worker in list(_workers):
        worker.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

"""Reports of processes that end by a signal: made while they run, and shown when they are gone.

No signal handler is installed for it: that would change what the signal does, what the process's
status says of its end, and which of its calls are interrupted. Instead a thread of low priority
writes down what there is to say, after a call and at most once a second: the timeline as its file,
the texts to a small process (:mod:`.watcher`) that says them should this one be gone without a
word. Without ``AYO_EXPLAIN``, ``AYO_STATS`` and ``AYO_TIMELINE`` there is none of this.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from ayo_bridge.autorun.remembered import REMEMBERED, Remembered

_logger: Final = logging.getLogger(__name__)
_WATCHER: Final = Path(__file__).with_name("watcher.py")
_APART: Final = 1.0
"""Seconds between two of them."""
_SHARE: Final = 0.05
"""Making them takes no more of the time than this."""
_NICE: Final = 19


class Snapshots:
    """Those of this process.

    Args:
        said: what would be said now.
        drawn: writes the timelines.
    """

    def __init__(
        self,
        said: Callable[[], str],
        drawn: Callable[[], object],
        remembered: Remembered = REMEMBERED,
    ) -> None:
        self._said = said
        self._drawn = drawn
        self._remembered = remembered
        self._pipe: int | None = None
        self.forked()

    def forked(self) -> None:
        """In a child: the parent's pipe is the parent's, and the thread is not there."""
        if self._pipe is not None:
            os.close(self._pipe)
        self._pipe = None
        self._lock = threading.Lock()
        self._first = threading.Lock()
        """Free until there is a thread."""
        self._over = self._watched = False

    def begin(self) -> None:
        """Make them from now on. Idempotent, and cheap."""
        if self._over or not self._first.acquire(blocking=False):
            return
        threading.Thread(target=self._run, name="ayo-reports", daemon=True).start()

    def end(self, say: Callable[[], None]) -> None:
        """The process says all itself: nothing is left to be said when it is gone."""
        with self._lock:
            self._over = True
            say()
            self._send("")
            if self._pipe is not None:
                os.close(self._pipe)
                self._pipe = None

    def _run(self) -> None:
        if sys.platform == "linux":  # Elsewhere it would be the priority of the whole process.
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while True:
            self._remembered.wait()
            began = time.monotonic()
            try:
                with self._lock:
                    if self._over:
                        return
                    made = self._make()
            except Exception:
                _logger.debug("no report could be made while running", exc_info=True)
                made = True
            if made:
                time.sleep(max(_APART, (time.monotonic() - began) / _SHARE))

    def _make(self) -> bool:
        """Make one, if there is something to say."""
        if not self._remembered.called():
            return False
        text = self._said()
        if text and not self._watched:
            self._watched = True
            self._pipe = _watcher()
        self._send(text)
        self._drawn()
        return True

    def _send(self, text: str) -> None:
        if self._pipe is None:
            return
        data = text.encode("utf-8", "replace")
        data = len(data).to_bytes(8, "big") + data
        try:
            while data:
                data = data[os.write(self._pipe, data) :]
        except OSError:  # Somebody has ended it: nobody is left to say anything.
            os.close(self._pipe)
            self._pipe = None


def _watcher() -> int | None:
    """Start the process that waits for the end of this one; returns where it is told."""
    name = os.path.basename(sys.executable or "")
    if not hasattr(os, "fork") or not name.startswith(("python", "pypy")):
        return None  # A program that holds an interpreter would be started once more.
    read, write = os.pipe()
    try:
        started = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_WATCHER)],
            stdin=read,
            stdout=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        started.wait()  # It goes on in a child of its own.
    except OSError:
        os.close(write)
        return None
    finally:
        os.close(read)
    return write

"""The client's own cores: what a call ahead costs there, and when nothing can be won any more.

Running ahead overlaps the waiting for engines. A process that is never idle has no such waiting:
what would overlap is in truth waiting for its own processor (or interpreter lock), and each call
made ahead takes some of that away from the other calls. So three things are measured where they
happen anyway: the processor time of the process, what making a call ahead takes of it, and how late
the runtime's loop gets its turn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

CALL_SECONDS: Final = 0.001
"""Processor time of a call ahead until some were measured: building it, two hops, one key."""
SAMPLED: Final = 0.05
"""Seconds between two looks at the processor time."""
FULL: Final = 0.9
FREE: Final = 0.75
"""Shares of a core: from the one on the process counts as busy, below the other not any more."""
HOPS: Final = 2
"""Turns that a call ahead waits for: the loop's, to send it, and that of who takes the result."""
TRIED: Final = 16
"""One in so many calls runs ahead all the same, so that a change is noticed."""
_SLOW: Final = 0.15
_LAST: Final = 1 / 16

Waits = Callable[[], tuple[float, float] | None]
"""Seconds that the calling thread has run, and has waited for a core, so far."""


class Client:
    """How busy this process is. Thread-safe, and never waits for a lock.

    Several threads may measure at once and lose a sample of each other; that is no harm.

    Args:
        clock, cpu, waits: seconds; processor time of the process; of the calling thread.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.process_time,
        waits: Waits | None = None,
    ) -> None:
        self._clock = clock
        self._cpu = cpu
        self._waits = waits or _thread_waits
        self._open: set[int] = set()
        self._looking = threading.Lock()
        self._looked = clock(), cpu()
        self._share = 0.0
        self._had = 1.0
        """Share of the time in which a thread that could run had a core."""
        self._mine = threading.local()
        self._built = CALL_SECONDS
        self._sent = 0.0
        self._lag = 0.0
        self._declined = 0
        self.busy = False
        """Whether it uses as good as all of the processor time that it can get."""

    # What is measured.

    def opened(self, call: int) -> None:
        """An accelerated call begins."""
        self._open.add(call)
        if self._clock() - self._looked[0] >= SAMPLED and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()

    def closed(self, call: int) -> None:
        """It has ended."""
        self._open.discard(call)

    def built(self, calls: int, seconds: float) -> None:
        """Making so many calls ahead took their thread so much processor time."""
        if calls:
            self._built += (seconds / calls - self._built) * _LAST

    def sent(self, lag: float, seconds: float) -> None:
        """The loop has got its turn for a call, and has used so much since the one before."""
        self._lag += (lag - self._lag) * _LAST
        self._sent += (seconds - self._sent) * _LAST

    @property
    def at_once(self) -> int:
        """So many accelerated calls are open."""
        return len(self._open)

    @property
    def granted(self) -> float:
        """Share of the time in which a thread that could run had a core: neighbours take some."""
        return self._had

    @property
    def call_seconds(self) -> float:
        """Processor time of a call ahead."""
        return self._built + self._sent

    def _look(self) -> None:
        now, used = self._clock(), self._cpu()
        before, used_before = self._looked
        if now <= before:
            return
        self._looked = now, used
        ran = self._waits()
        if ran is not None:
            self._note_waits(*ran)
        share = (used - used_before) / (now - before) / self._had
        self._share += (min(share, 1.0) - self._share) * _SLOW
        self.busy = self._share >= (FREE if self.busy else FULL)

    def _note_waits(self, ran: float, waited: float) -> None:
        """Neighbours on the host take cores away: what is left is all that can be used."""
        ran_before, waited_before = getattr(self._mine, "seen", (ran, waited))
        self._mine.seen = ran, waited
        ran, waited = ran - ran_before, waited - waited_before
        if ran > 0 and waited >= 0:
            self._had += (ran / (ran + waited) - self._had) * _SLOW

    # What follows.

    def declines(self, gain: float, calls: int) -> str:
        """Why ``calls`` calls ahead would win nothing now; empty if they may win something.

        gain: seconds that they would take off a call if this process had time for them.
        """
        at_once = len(self._open)
        if not self.busy or at_once < 2:  # One alone is delayed by nobody but itself.
            return ""
        # The others wait for as long as one works. And what an engine seems to take is in part the
        # wait for a turn, which is the longer the busier the process is.
        cost = calls * (at_once * self.call_seconds + HOPS * self._lag)
        if cost < gain:
            return ""
        self._declined += 1
        if self._declined % TRIED == 0:
            return ""
        return (
            f"this process is busy with {at_once} calls at once: {calls} calls ahead would cost "
            f"{cost * 1000:.0f} ms and win {gain * 1000:.0f} ms"
        )


def _thread_waits() -> tuple[float, float] | None:
    """From the kernel's own count; ``None`` where it keeps none."""
    try:
        with open("/proc/thread-self/schedstat", "rb") as stat:
            ran, waited, _ = stat.read().split()
        return int(ran) / 1e9, int(waited) / 1e9
    except (OSError, ValueError):
        return None

"""Takes calls that have ended to those who want spans or metrics of them, off the callers' path."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from ayo_bridge.events import Event, Facts, log
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.rest import Rest
from ayo_bridge.runahead.worker import Worker
from ayo_bridge.telemetry.followed import Followed

if TYPE_CHECKING:
    from ayo_bridge.telemetry.metrics import Metrics
    from ayo_bridge.telemetry.tracing import Tracing

MOST: Final = 4096
"""So many ended calls wait at most; what is more is dropped, and said."""
PATIENCE: Final = 10.0
"""Seconds that the end of a runtime waits for what has not been exported yet."""
_LINGERS: Final = 5.0
_logger: Final = logging.getLogger(__name__)
Told = Callable[[CallRecord], object]


class Telemetry:
    """What a runtime tells of its calls. Thread-safe."""

    def __init__(self) -> None:
        self._tracing: Tracing | None = None
        self._metrics: Metrics | None = None
        self._worker = Worker("ayo-telemetry", MOST, logging.WARNING, _LINGERS)
        self._failures: set[str] = set()
        self.dropped = 0
        """Calls that were not exported as too many waited."""

    def trace(self, tracing: Tracing) -> None:
        """Have spans made, from now on."""
        self._tracing = tracing

    def count(self, metrics: Metrics) -> None:
        """Have calls counted, from now on."""
        self._metrics = metrics

    def rests(self, owner: object, rest: Rest) -> None:
        """An object is accelerated: its calls may be let through unseen, unless all are wanted."""
        rest.watched = self._tracing is not None
        if self._metrics is not None:
            self._metrics.rests(owner, rest)

    @property
    def wanted(self) -> bool:
        """Whether anybody is told."""
        return self._tracing is not None or self._metrics is not None

    def follow(self, target: str, record: CallRecord, outer: CallRecord | None, then: Told) -> Told:
        """A call begins; returns who is to be told of its end, instead of ``then``."""
        within = outer.tag if outer is not None and isinstance(outer.tag, Followed) else None
        followed = record.tag = Followed(target, within)
        if self._tracing is not None:
            followed.context = self._tracing.context()

        def ended(record: CallRecord) -> None:
            followed.ended = True
            try:
                then(record)
            finally:
                self._ended(followed, record)

        return ended

    def happened(self, event: Event) -> None:
        """Count an event. It may happen wherever Python collects, so no lock is waited for here."""
        if self._metrics is not None:
            self._worker.submit(partial(self._metrics.happened, event))

    def flush(self, seconds: float = PATIENCE) -> bool:
        """Wait until all calls that have ended are exported; returns whether they are."""
        return self._worker.wait(seconds)

    def close(self) -> None:
        """Export what is left, and end the thread. Idempotent; later calls are exported still."""
        if not self._worker.finish(PATIENCE):
            self._say(f"calls were not exported within {PATIENCE:.0f} s; they are lost")
        if self._tracing is not None:
            self._tracing.close()
        if self._metrics is not None:
            self._metrics.close()

    def _ended(self, followed: Followed, record: CallRecord) -> None:
        if not self._worker.submit(partial(self._export, followed, record)):
            self.dropped += 1
            if self.dropped == 1:
                self._say(f"more than {MOST} ended calls wait to be exported; further ones are not")

    def _export(self, followed: Followed, record: CallRecord) -> None:
        if self._metrics is not None:
            self._attempt(partial(self._metrics.count, followed.target, record))
        outer = followed.outer
        # A call inside of another is exported with that, or after it.
        due = followed.span is None and (outer is None or outer.span is not None)
        if self._tracing is not None and due:
            self._attempt(partial(self._tracing.export, followed, record))

    def _attempt(self, step: Callable[[], None]) -> None:
        """What fails is told of once a kind: each call may fail alike."""
        try:
            step()
        except Exception as error:
            kind = type(error).__name__
            if kind in self._failures:
                _logger.debug("a call was not exported", exc_info=True)
                return
            self._failures.add(kind)
            reason = f"a call was not exported: {error!r}"
            log(_logger, Event.NOT_EXPORTED, reason, Facts(reason=repr(error)), failure=error)

    @staticmethod
    def _say(reason: str) -> None:
        log(_logger, Event.NOT_EXPORTED, f"telemetry: {reason}", Facts(reason=reason))

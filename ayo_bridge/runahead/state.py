"""What an accelerated object carries: what was lifted, its last calls and its running totals."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Hashable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from ayo_bridge.events import Event, Facts, log
from ayo_bridge.graph import Template
from ayo_bridge.record.counters import Counters
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.checks import Checks
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.judge import Judge
from ayo_bridge.runahead.learning import Learning
from ayo_bridge.runahead.rest import Rest
from ayo_bridge.schedule import Placed, ServerLoad
from ayo_bridge.seam import EngineKind, new_lock

if TYPE_CHECKING:
    import threading

_logger: Final = logging.getLogger(__name__)
_MODELS: Final = (EngineKind.EMBEDDING, EngineKind.RERANKER, EngineKind.LLM)
_LATER: Final = 64
"""So many finished calls in which nothing ran ahead may wait to be counted."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class AcceleratedState:
    """The state of one accelerated object. Thread-safe.

    Args:
        adapter: name of the adapter that lifted it.
        target: name of its class.
        template: what it was lifted to.
        again: accelerates a copy, by the runtime given, or where it is unpickled by the default.
        opaque: names of the parts that were not lifted, each with the reason.
        remembers: whether glue of its framework is remembered in calls that are seen, so that each
            is worth being seen.
    """

    adapter: str
    target: str
    runtime: Home
    template: Template
    again: Callable[..., Any]
    opaque: tuple[tuple[str, str], ...] = ()
    remembers: bool = False
    rest: Rest = field(init=False, default_factory=Rest)
    lifts: dict[Hashable, Any] = field(init=False, default_factory=dict)
    """What is kept of lifting it for earlier calls, as long as it holds."""
    expected: dict[int, int] = field(init=False, default_factory=dict)
    """How many items its parts made last, by the ids of these parts."""
    parts: Any = field(init=False, default=None)
    """What is learned of its opaque parts, if some are."""
    shows: Any = field(init=False, default=None)
    """What is known of it, should it be run once more to be verified (:mod:`.lift.shows`)."""
    learning: Callable[[], Learning] = field(init=False, default=Learning)
    """Says what was learned of its calls, where that is how it is lifted."""
    when_condemned: list[Callable[[str], object]] = field(init=False, default_factory=list)
    """Told why it was wrong."""
    when_noted: Callable[[], object] | None = field(init=False, default=None)
    """Told of each call that ends, wherever Python collects: it neither waits nor raises."""
    checks: Checks = field(init=False, default_factory=Checks)
    """What came of verifying its calls."""
    _records: deque[CallRecord] = field(init=False)
    _new: deque[CallRecord] = field(init=False, default_factory=deque)
    _counters: Counters = field(init=False, default_factory=Counters)
    _judge: Judge = field(init=False, default_factory=Judge)
    _lock: threading.Lock = field(init=False, default_factory=new_lock)
    _just_off: str = field(init=False, default="")
    """Why it has just been switched off, until that is told."""

    def __post_init__(self) -> None:
        self._records = deque(maxlen=self.runtime.history)
        if self.runtime.telemetry is not None:
            self.runtime.telemetry.rests(self, self.rest)
        if self.runtime.shown is not None:
            self.runtime.shown.add(self, self._counters)
        if self.runtime.replicated:  # What is let through unseen goes to one replica alone.
            self.rest.watched = True

    def __deepcopy__(self, memo: object) -> AcceleratedState:
        """A copy of an accelerated object shares its state; locks and engines are not copied."""
        return self

    def note(self, record: CallRecord) -> None:
        """Take in a call whose scope has closed, and judge by it whether to go on.

        A call in which nothing ran ahead gives nothing to judge; it is counted some time later.
        """
        self._new.append(record)
        if self.when_noted is not None:
            self.when_noted()
        # Never waits: a stream may be collected, and its call end, wherever Python allocates, even
        # in this thread inside of this lock. Who holds it, or comes next, counts this one.
        told = self._records and not self.rest.resting and len(self._new) <= _LATER
        due = record.ran_ahead or bool(record.helped) or not told
        if due and self._lock.acquire(blocking=False):
            try:
                self._count()
            finally:
                self._lock.release()
            self._tell_if_off()

    def forget_calls(self) -> None:
        """Begin to count anew: in a forked child the calls so far are its parent's to tell."""
        with self._lock:
            self._new.clear()
            self._records.clear()
            self._counters = Counters()
            self.rest.unseen = 0

    def _count(self) -> None:
        """Take in what has been noted. The lock is held."""
        while self._new:
            record = self._new.popleft()
            self._records.append(record)
            self._counters.add(record)
            self.rest.watched = self.rest.watched or bool(record.helped)
            self.rest.heard(useful=self._helped(record))
            if record.ran_ahead and record.whole and record.ended is not None:
                was_off = self._judge.is_off(record.ended)
                self._judge.hear(record.own_calls, record.ended)
                if not was_off:
                    self._just_off = self._judge.why_off(record.ended)

    def _helped(self, record: CallRecord) -> bool:
        """Whether anything was done for a call but to note what passed by."""
        if self.remembers or record.ran_ahead or record.met_others or not record.whole:
            return True
        asked = [call for call in record.calls if call.kind in _MODELS and self._here(call.engine)]
        self.rest.models = self.rest.models or bool(asked)
        # Also while the process is not there yet: later calls are to find it, each of them.
        self.rest.watched = self.rest.watched or any(self._is_shared(c.engine) for c in asked)
        return any(call.batch > 1 for call in asked)

    def _here(self, engine: str) -> bool:
        """Whether an engine runs in this process."""
        runtime = self.runtime
        return runtime.knows(engine) and not runtime.scheduler(engine).engine.server

    def _is_shared(self, engine: str) -> bool:
        """Whether several processes share an engine, or are to."""
        return isinstance(self.runtime.scheduler(engine).engine, Placed)

    def switch_off(self, reason: str) -> None:
        """Run nothing ahead for this object for a while; the first reason stays until then."""
        now = self.runtime.clock()
        with self._lock:
            if not self._judge.is_off(now):
                self._judge.switch_off(reason, now)
                self._just_off = self._judge.why_off(now)
        self._tell_if_off()

    def condemn(self, reason: str) -> None:
        """Run nothing ahead for this object any more."""
        with self._lock:
            self._judge.condemn(reason)
            self._just_off = reason
        self._tell_if_off()
        for told in self.when_condemned:
            told(reason)

    def tell(self, logger: logging.Logger, event: Event, sentence: str, facts: Facts) -> None:
        """Log what has happened to this object, and count it where that is wanted."""
        named = replace(facts, target=self.target)
        log(logger, event, f"{self.target}: {sentence}", named, depth=2)
        if self.runtime.telemetry is not None:
            self.runtime.telemetry.happened(event)

    def _tell_if_off(self) -> None:
        reason, self._just_off = self._just_off, ""
        if reason:
            sentence = f"run-ahead is switched off: {reason}"
            self.tell(_logger, Event.SWITCHED_OFF, sentence, Facts(reason=reason))

    @property
    def switched_off(self) -> str:
        """Why nothing runs ahead for this object, and when it is tried again; empty if it does."""
        return self._judge.why_off(self.runtime.clock())

    @property
    def on_trial(self) -> str:
        """Why it was switched off, while it is tried again."""
        return self._judge.on_trial(self.runtime.clock())

    @property
    def runs_ahead(self) -> bool:
        """Whether the next call may run ahead."""
        return self.runtime.run_ahead and not self._judge.is_off(self.runtime.clock())

    def limits(self) -> dict[str, str]:
        """How much may be ahead at each server that was asked: by ``host:port``, in words."""
        engines = {engine for _, engine in self.totals().primitives}
        known = (self.runtime.scheduler(e).engine for e in engines if self.runtime.knows(e))
        servers = sorted({engine.server for engine in known if engine.server})
        rooms: dict[ServerLoad, str] = {}
        for server in servers:  # Replicas share one.
            rooms.setdefault(self.runtime.load(server), server)
        return {server: load.description for load, server in rooms.items()}

    def history(self) -> tuple[CallRecord, ...]:
        """The last finished calls, oldest first; as many as the runtime remembers."""
        with self._lock:
            self._count()
            return tuple(self._records)

    def totals(self) -> Counters:
        """Running totals over all finished calls."""
        with self._lock:
            self._count()
            totals = deepcopy(self._counters)
        totals.calls += self.rest.unseen
        return totals

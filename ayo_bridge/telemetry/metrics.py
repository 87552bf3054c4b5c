"""Prometheus metrics, counted from the records of ended calls. Needs ``prometheus_client``.

They are counters and histograms of that library, so that its mode for several processes sums them
up, too. What is only known at the moment of a scrape is in :mod:`.gauges`.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, Final

from ayo_bridge.engines.live_names import base_name
from ayo_bridge.errors import ArgumentError
from ayo_bridge.events import Event
from ayo_bridge.record.counters import is_own
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.rest import Rest
from ayo_bridge.seam import EngineCall, EngineKind, Outcome
from ayo_bridge.telemetry.gauges import Gauges, Watched

MOST_VALUES: Final = 100
"""So many values of a label are told apart; further ones are ``other``."""
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_WAITS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100)
_MODELS: Final = (EngineKind.EMBEDDING, EngineKind.RERANKER)
_MADE: Final = {
    Outcome.HIT: "ahead_used",
    Outcome.WASTED: "ahead_in_vain",
    Outcome.DROPPED: "ahead_in_vain",
    Outcome.CANCELLED: "ahead_cancelled",
    Outcome.WARM: "prompt_begun_ahead",
}
_EVENTS: Final = {
    Event.LEARNED: ("ayo_bridge_templates_learned", "Times that calls came to go by a template."),
    Event.DISCARDED: ("ayo_bridge_templates_discarded", "Learned templates that were given up."),
    Event.SWITCHED_OFF: ("ayo_bridge_switched_off", "Times that an object was switched off."),
    Event.MISMATCH: ("ayo_bridge_verify_mismatches", "Verified calls that differed."),
    Event.REFUSED: ("ayo_bridge_clients_refused", "Clients whose requests are not made ahead."),
}


class Instruments:
    """The metrics in one registry; all runtimes that are given it share them.

    Raises:
        ArgumentError: the registry has other metrics under these names.
        ImportError: prometheus_client is not installed.
    """

    def __init__(self, registry: Any) -> None:
        from prometheus_client import Counter, Histogram

        self.registry = registry
        self.users = 0
        self.gauges = Gauges()
        self._values: dict[str, set[str]] = {}
        self._made: list[Any] = []
        made = self._make
        call, request = ("entry",), ("engine", "kind")
        try:
            self._calls = made(
                Counter, "ayo_bridge_calls", "Calls of accelerated objects.", (*call, "outcome")
            )
            self._call_seconds = made(
                Histogram, "ayo_bridge_call_seconds", "How long they took.", call, _SECONDS
            )
            self._requests = made(
                Counter,
                "ayo_bridge_engine_requests",
                "Requests to engines, by what became of them.",
                (*request, "made"),
            )
            self._saved = made(
                Counter,
                "ayo_bridge_engine_saved_seconds",
                "Engine time that the original did not wait for.",
                request,
            )
            self._waited = made(
                Counter,
                "ayo_bridge_engine_waited_seconds",
                "Engine time that the original waited for.",
                request,
            )
            self._batches = made(
                Histogram,
                "ayo_bridge_engine_batch_size",
                "Requests in the batch that a request ran in.",
                ("engine",),
                _SIZES,
            )
            self._queue = made(
                Histogram,
                "ayo_bridge_engine_queue_seconds",
                "How long requests waited for their engine.",
                ("engine",),
                _WAITS,
            )
            self._events = {
                event: made(Counter, name, says, ()) for event, (name, says) in _EVENTS.items()
            }
            registry.register(self.gauges)
            self._made.append(self.gauges)
        except ValueError as error:
            self.remove()
            raise ArgumentError(f"metrics cannot be registered: {error}") from error

    def remove(self) -> None:
        """Take all of it out of the registry."""
        while self._made:
            self.registry.unregister(self._made.pop())

    def _make(
        self, kind: Any, name: str, says: str, labels: tuple[str, ...], buckets: Any = None
    ) -> Any:
        more = {} if buckets is None else {"buckets": buckets}
        instrument = kind(name, says, labels, registry=self.registry, **more)
        self._made.append(instrument)
        return instrument

    # Counting. One thread a runtime does it.

    def count(self, target: str, record: CallRecord) -> None:
        """Count a call that has ended, and the engine calls under its own plan."""
        name = record.entry if target in ("", record.entry) else f"{target}.{record.entry}"
        entry = self._known("entry", name)
        self._calls.labels(entry, _outcome(record)).inc()
        self._call_seconds.labels(entry).observe(record.until - record.started)
        for call in record.own_calls:
            self._count_request(call)

    def happened(self, event: Event) -> None:
        """Count an event."""
        if event in self._events:
            self._events[event].inc()

    def _count_request(self, call: EngineCall) -> None:
        made = "own" if is_own(call) else _MADE.get(call.outcome)
        if made is None:  # A result that serves once more: the engine was not asked.
            return
        engine = self._known("engine", base_name(call.engine))
        kind = call.kind.value
        self._requests.labels(engine, kind, made).inc()
        self._saved.labels(engine, kind).inc(max(0.0, call.saved))
        self._waited.labels(engine, kind).inc(max(0.0, call.waited))
        if call.started is None:
            return
        if call.kind in _MODELS:
            self._batches.labels(engine).observe(call.batch)
        if call.fused or call.outcome is not Outcome.DIRECT:
            self._queue.labels(engine).observe(max(0.0, call.started - call.queued))

    def _known(self, label: str, value: str) -> str:
        """The value, or ``other`` where there are too many already."""
        values = self._values.setdefault(label, set())
        if value not in values:
            if len(values) >= MOST_VALUES:
                return "other"
            values.add(value)
        return value


def _outcome(record: CallRecord) -> str:
    if record.error:
        return "cancelled" if record.error.startswith("CancelledError") else "error"
    return "left" if record.abandoned else "ok"


class Metrics:
    """The metrics of one runtime.

    Args:
        registry: a ``prometheus_client.CollectorRegistry``; ``None``: the process's default one.
        watched: what the gauges show of the runtime.

    Raises:
        ArgumentError: it is no registry, or it has other metrics under these names.
        ImportError: prometheus_client is not installed.
    """

    def __init__(self, registry: object, watched: Watched) -> None:
        self._watched = weakref.ref(watched)
        self._instruments: Instruments | None = _entered(registry, watched)
        self.count: Callable[[str, CallRecord], None] = self._instruments.count
        self.happened: Callable[[Event], None] = self._instruments.happened
        self.rests: Callable[[object, Rest], None] = self._instruments.gauges.rests

    def close(self) -> None:
        """The last runtime that closes takes its registry's metrics out of that. Idempotent."""
        with _lock:
            instruments, self._instruments = self._instruments, None
            if instruments is None:
                return
            instruments.users -= 1
            if (watched := self._watched()) is not None:
                instruments.gauges.leave(watched)
            if not instruments.users:
                _in_use.pop(instruments.registry, None)
                instruments.remove()


_lock: Final = threading.Lock()
_in_use: Final[weakref.WeakKeyDictionary[Any, Instruments]] = weakref.WeakKeyDictionary()


def _entered(registry: object, watched: Watched) -> Instruments:
    from prometheus_client import REGISTRY, CollectorRegistry

    found = REGISTRY if registry is None else registry
    if not isinstance(found, CollectorRegistry):
        raise ArgumentError(f"metrics is to be True, False or a CollectorRegistry, not {found!r}")
    with _lock:
        instruments = _in_use.get(found)
        if instruments is None:
            instruments = _in_use[found] = Instruments(found)
        instruments.users += 1
        instruments.gauges.enter(watched)
        return instruments

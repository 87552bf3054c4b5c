"""What is under way at the moment of a scrape, and totals that are kept elsewhere."""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from ayo_bridge.engines.live_names import base_name
from ayo_bridge.runahead.rest import Rest
from ayo_bridge.schedule import EngineScheduler, ServerLoad

_FEW: Final = 64
"""Objects that are known before those that are gone are looked for."""


class Watched(Protocol):
    """What is asked of a runtime."""

    @property
    def loads(self) -> Mapping[str, ServerLoad]:
        """All servers that something was sent to."""

    @property
    def schedulers(self) -> tuple[EngineScheduler, ...]:
        """All engine schedulers."""


class Gauges:
    """A collector of prometheus_client. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runtimes: list[weakref.ref[Watched]] = []
        self._rests: list[tuple[weakref.ref[object], Rest]] = []
        self._unseen_of_gone = 0
        self._tidied = 0

    def enter(self, runtime: Watched) -> None:
        """Show a runtime, too."""
        with self._lock:
            self._runtimes.append(weakref.ref(runtime))

    def leave(self, runtime: Watched) -> None:
        """Show it no more."""
        with self._lock:
            self._runtimes = [each for each in self._runtimes if each() not in (None, runtime)]

    def rests(self, owner: object, rest: Rest) -> None:
        """Count the calls that an accelerated object lets through unseen."""
        with self._lock:
            self._rests.append((weakref.ref(owner), rest))
            if len(self._rests) > 2 * self._tidied + _FEW:
                self._unseen()

    def _unseen(self) -> int:
        """All calls so far that were let through; forgets objects that are gone. Locked."""
        alive = []
        for owner, rest in self._rests:
            if owner() is not None:
                alive.append((owner, rest))
            else:
                self._unseen_of_gone += rest.unseen
        self._rests, self._tidied = alive, len(alive)
        return self._unseen_of_gone + sum(rest.unseen for _, rest in alive)

    def describe(self) -> Iterator[Any]:
        """The metrics, without values."""
        return self._families(0, {}, {}, {})

    def collect(self) -> Iterator[Any]:
        """The metrics as they are now."""
        with self._lock:
            runtimes = [found for each in self._runtimes if (found := each()) is not None]
            unseen = self._unseen()
        ahead: Counter[str] = Counter()
        waiting: Counter[str] = Counter()
        running: Counter[str] = Counter()
        for runtime in runtimes:
            for server, load in runtime.loads.items():
                ahead[server] += load.ahead
            for scheduler in runtime.schedulers:
                engine = base_name(scheduler.engine.name)
                waiting[engine] += scheduler.depth
                running[engine] += scheduler.running
        return self._families(unseen, ahead, waiting, running)

    @staticmethod
    def _families(
        unseen: int,
        ahead: Mapping[str, int],
        waiting: Mapping[str, int],
        running: Mapping[str, int],
    ) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        says = "Calls of accelerated objects that were let through without being looked at."
        yield CounterMetricFamily("ayo_bridge_calls_unseen", says, value=unseen)
        for name, says, label, values in (
            ("requests_ahead", "Requests under way ahead of the original.", "server", ahead),
            ("engine_waiting_requests", "Requests that wait for an engine.", "engine", waiting),
            ("engine_running_batches", "Batches that an engine works on.", "engine", running),
        ):
            family = GaugeMetricFamily(f"ayo_bridge_{name}", says, labels=[label])
            for value, number in values.items():
                family.add_metric([value], number)
            yield family

"""What running ahead asks of the runtime."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from concurrent.futures import Future
from random import Random
from typing import Any, Protocol

from ayo_bridge.engines.openai_http.replicated import Replicated
from ayo_bridge.events import Event
from ayo_bridge.profile import LiveProfiles
from ayo_bridge.record.counters import Counters
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.client import Client
from ayo_bridge.runahead.planner import Costs, Planner
from ayo_bridge.runahead.rest import Rest
from ayo_bridge.schedule import Schedulers, ServerLoad
from ayo_bridge.seam import EngineHome


class Tells(Protocol):
    """Who is told of calls and events, for spans and metrics."""

    def rests(self, owner: object, rest: Rest) -> None:
        """An object is accelerated: its calls may be let through unseen, unless all are wanted."""

    def follow(
        self,
        target: str,
        record: CallRecord,
        outer: CallRecord | None,
        then: Callable[[CallRecord], object],
    ) -> Callable[[CallRecord], object]:
        """A call begins; returns who is to be told of its end, instead of ``then``."""

    def happened(self, event: Event) -> None:
        """Count an event."""


class Shows(Protocol):
    """Who shows accelerated objects to ``ayo-bridge top``."""

    def add(self, counted: Any, counters: Counters) -> None:
        """Show the state of an object, which counts in these."""


class Home(EngineHome, Schedulers, Costs, Protocol):
    """The runtime, as scopes, adapters and what runs ahead know it."""

    @property
    def profiles(self) -> LiveProfiles:
        """What engines cost."""

    @property
    def strict(self) -> bool:
        """Whether nothing is fused."""

    @property
    def prefix_warming(self) -> bool:
        """Whether prefix warms are wanted."""

    @property
    def history(self) -> int:
        """How many finished calls each accelerated object remembers."""

    @property
    def templates(self) -> bool:
        """Whether what is learned is kept on disk, and what was kept is used."""

    @property
    def verify(self) -> float:
        """The share of calls that are compared with the original."""

    @property
    def chance(self) -> Random:
        """Draws them."""

    @property
    def telemetry(self) -> Tells | None:
        """Who is told of calls; most often nobody."""

    @property
    def shown(self) -> Shows | None:
        """Who shows what is accelerated; most often nobody."""

    @property
    def planner(self) -> Planner:
        """Who plans calls."""

    @property
    def client(self) -> Client:
        """How busy this process is."""

    @property
    def closed(self) -> bool:
        """Whether it was closed and is not in use again: then nothing begins by itself."""

    @property
    def generation(self) -> int:
        """Changes when everything that was set up once has to be set up again."""

    @property
    def replicated(self) -> Replicated:
        """Which engines have replicas."""

    def load(self, server: str) -> ServerLoad:
        """What is on its way at ``host:port``, and how much may go there ahead."""

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine on the runtime's loop."""

    def first(self, what: Hashable) -> bool:
        """Whether this is asked for the first time: for what is to be done once a runtime."""

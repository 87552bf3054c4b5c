"""The runtime: one event loop in a thread of its own, the engines, and their schedulers."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Hashable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from ayo_bridge.arguments import checked_dialects, checked_engines
from ayo_bridge.engines.declared import LLM, Declared
from ayo_bridge.engines.openai_http.replicated import Replicated
from ayo_bridge.passes import PIPELINE, Pass
from ayo_bridge.profile import EngineProfile, LiveProfiles, ProfileStore, measure_when_idle
from ayo_bridge.runahead.checks import wanted_share
from ayo_bridge.runahead.client import Client
from ayo_bridge.runahead.planner import Planner
from ayo_bridge.schedule import (
    EngineScheduler,
    FoundLater,
    LoopPlacement,
    Placed,
    Placement,
    Policies,
    Request,
    Rooms,
    ServerLoad,
    ThreadPlacement,
    policy_for,
)
from ayo_bridge.schedule.limits import AheadLimit, wanted_limit
from ayo_bridge.schedule.own_loop import new_own_loop, run_loop, shut_down
from ayo_bridge.seam import BatchEngine, Dialect, Engine, EngineKind, Routes
from ayo_bridge.telemetry import wanted_shown, wanted_telemetry

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_generations = itertools.count()


class Runtime:
    """Engines, policies and passes for accelerated objects.

    Args:
        policies: how engine schedulers pick batches, for all or by kind: ``"per_invocation"``,
            ``"throughput"``, ``"topology"`` (the default), ``"critical_path"`` or a function.
        passes: the rewrites applied to every p-graph, in order.
        run_ahead: with ``False`` requests are only scheduled and fused, never made early.
        strict: nothing is fused, so embedding and rerank scores are bit-equal.
        priority: send vLLM's ``priority`` field with prefix warms. It cannot be probed, so it is
            only sent where you know that the server runs with ``--scheduling-policy priority``,
            and to servers on this machine that ``ayo-bridge serve-llm`` has started.
        prefix_warming: allow prefix warms (partial prefilling) on LLM servers.
        engines: each takes the place of the one an adapter would create under its name; an
            :class:`~ayo_bridge.LLM` declares replicas. Where none is declared: ``AYO_ENGINES``.
        max_ahead: how many calls may be ahead of the original at one LLM server at a time, all
            users together. ``None``: ``AYO_MAX_AHEAD``, or what is found to gain at each server.
        history: how many finished calls each accelerated object remembers.
        measure: measure an engine without a profile in the background, when it is first used and
            then idle, so that its b* is known. ``None``: unless ``AYO_MEASURE=0`` is set.
        profiles: where measured engine profiles are kept.
        templates: keep what is learned on disk, and use what earlier processes have learned.
            ``None``: unless ``AYO_TEMPLATES=0`` is set.
        dialects: further engines that are asked over HTTP: see docs/pages/dialects.md.
        verify: share of calls (0 to 1) compared with the original. ``None``: ``AYO_VERIFY``, or 0.
        otel: export OpenTelemetry spans of every call, under the span in which it was made.
            ``None``: where ``AYO_OTEL=1`` is set. Needs the extra ``otel``.
        metrics: keep Prometheus metrics, in the process's default registry or in the one given.
            ``None``: where ``AYO_METRICS=1`` is set. Needs the extra ``metrics``.

    Raises:
        ArgumentError: an argument is of a wrong kind or value.
    """

    def __init__(
        self,
        *,
        policies: Policies | None = None,
        passes: tuple[Pass, ...] = PIPELINE,
        run_ahead: bool = True,
        strict: bool = False,
        priority: bool = False,
        prefix_warming: bool = True,
        engines: Iterable[Engine | LLM] = (),
        max_ahead: int | None = None,
        history: int = 32,
        measure: bool | None = None,
        profiles: ProfileStore | None = None,
        templates: bool | None = None,
        dialects: Iterable[Dialect] = (),
        verify: float | None = None,
        otel: bool | None = None,
        metrics: bool | CollectorRegistry | None = None,
    ) -> None:
        flags: dict[str, bool | None] = {"strict": strict, "priority": priority}
        flags |= {"run_ahead": run_ahead, "prefix_warming": prefix_warming}
        flags |= {"measure": measure, "templates": templates, "otel": otel}
        made, declared = checked_engines(engines, passes, history, profiles, flags)
        self.passes, self.dialects = passes, checked_dialects(dialects)
        self.run_ahead = run_ahead
        self.strict = strict
        self.priority = priority
        self.prefix_warming = prefix_warming
        self.max_ahead = wanted_limit(max_ahead)
        self.history = history
        self.measure = os.environ.get("AYO_MEASURE") != "0" if measure is None else measure
        self.templates = os.environ.get("AYO_TEMPLATES") != "0" if templates is None else templates
        self.verify = wanted_share(verify)
        self.clock: Callable[[], float] = time.perf_counter
        self.store = profiles if profiles is not None else ProfileStore()
        self.profiles = LiveProfiles(self.store)
        self.client = Client()
        self.planner = Planner(self)
        self._policies = {kind: policy_for(kind, policies) for kind in EngineKind}
        self._schedulers: dict[str, EngineScheduler] = {}
        self._placed: dict[str, Placement] = {}
        self.replicated = Replicated(declared, lambda: self.clock(), self.submit)
        self._reset()
        for engine in made:
            self.register(engine)
        self.telemetry = wanted_telemetry(otel, metrics, self.clock, self)
        self.shown = wanted_shown(self)
        _runtimes.add(self)

    def _reset(self) -> None:
        """Start from nothing: at first, and in a forked child, which has no threads of ours."""
        self.generation, self.chance = next(_generations), Random()
        self._lock, self._changing = threading.RLock(), threading.Lock()
        self._done: set[Hashable] = set()
        self.closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._loop_placement: LoopPlacement | None = None
        self._threads: dict[str, ThreadPlacement] = {}
        self._rooms = Rooms(self._new_room, self.replicated.together)
        self.replicated.after_fork()
        for scheduler in self._schedulers.values():
            scheduler.engine.after_fork()
        self._renew()

    def _renew(self) -> None:
        """Give all engines schedulers that know of no call."""
        engines = [scheduler.engine for scheduler in self._schedulers.values()]
        self._schedulers = {}
        self._llms: tuple[Engine, ...] = ()
        for engine in engines:
            self.register(engine)

    def after_fork(self) -> None:
        """In a forked child: locks may have been held by threads that the child does not have."""
        self.profiles = LiveProfiles(self.store)
        self.client = Client()
        self.planner = Planner(self)
        self._reset()

    # Engines.

    def register(self, engine: Engine, placement: Placement | None = None) -> EngineScheduler:
        """Give an engine its scheduler; the engine of a name is registered once.

        ``placement`` is where it runs, instead of what :meth:`placement` says.
        """
        with self._lock:
            scheduler = self._schedulers.get(engine.name)
            if scheduler is None:
                if placement is not None:
                    self._placed[engine.name] = placement
                scheduler = EngineScheduler(
                    engine,
                    self._policies[engine.kind],
                    self._placed.get(engine.name) or self._own_place(engine),
                    lambda: self.clock(),
                    lambda: self.profiles.profiles().best_batch(engine.name),
                )
                self._schedulers[engine.name] = scheduler
                if self.replicated:
                    engine.routes = self.replicated.routes(engine)
                if engine.kind is EngineKind.LLM:
                    self._llms = (*self._llms, engine)
            return scheduler

    def _own_place(self, engine: Engine) -> Placement:
        return engine.placed(self) if isinstance(engine, Placed) else FoundLater(self.placement)

    def knows(self, engine: str) -> bool:
        """Whether an engine of this name is registered."""
        return engine in self._schedulers

    def engine(self, name: str) -> Engine | None:
        """The engine of this name, if one is registered."""
        scheduler = self._schedulers.get(name)
        return None if scheduler is None else scheduler.engine

    def scheduler(self, engine: str) -> EngineScheduler:
        """The scheduler of a registered engine."""
        return self._schedulers[engine]

    def routes(self, engine: str) -> Routes | None:
        """The replicas of a registered engine; ``None``: none are declared."""
        return self._schedulers[engine].engine.routes if self.replicated else None

    def change(self, declared: LLM | Declared) -> None:
        """Add and remove replicas of a declared LLM, embedding model or reranker, calls under way.

        What is on its way to one that is removed runs on; one that is added has its share at once.

        Raises:
            ArgumentError: no such model is declared here with URLs that are alike but for host and
                port, or not with this routing and session.
        """
        with self._changing:
            self.replicated.changes(declared)
            with self._lock:
                for engine in (scheduler.engine for scheduler in self._schedulers.values()):
                    if engine.routes is None:  # Perhaps its address is one of them by now.
                        engine.routes = self.replicated.routes(engine)
            self._rooms.changed()

    @property
    def schedulers(self) -> tuple[EngineScheduler, ...]:
        """All engine schedulers."""
        return tuple(self._schedulers.values())

    def load(self, server: str) -> ServerLoad:
        """What is on its way at ``host:port``, and how much may go there ahead."""
        return self._rooms.at(server)

    def _new_room(self, servers: int) -> ServerLoad:
        return ServerLoad(lambda: self.clock(), AheadLimit(self.max_ahead, servers=servers))

    @property
    def loads(self) -> Mapping[str, ServerLoad]:
        """All servers that something was sent to; of replicas, which share one, the first."""
        return self._rooms.all()

    def can_stream(self) -> frozenset[str]:
        """LLM engines proven to rebuild a plain reply from a stream."""
        return frozenset(engine.name for engine in self._llms if engine.streams)

    def can_warm(self) -> frozenset[str]:
        """LLM engines known to keep prefixes in a cache, where prefix warms are wanted."""
        if not self.prefix_warming:
            return frozenset()
        return frozenset(engine.name for engine in self._llms if engine.caches_prefixes)

    def learned(self) -> Hashable:
        """What :meth:`can_stream` and :meth:`can_warm` depend on; changes when they do. Cheap."""
        return tuple([(engine.streams, engine.caches_prefixes) for engine in self._llms])

    def best_batch(self, engine: str, model: str) -> Callable[[], int | None]:
        """Tells b* of an engine as it is known at that moment.

        That is what was measured of its model on this machine before, until traffic shows better.
        """
        profile = self.store.load(model, "local")
        if profile is not None:
            self.profiles.publish(engine, profile)
        found = weakref.ref(self)

        def best_batch() -> int | None:
            runtime = found()
            return None if runtime is None else runtime.profiles.profiles().best_batch(engine)

        return best_batch

    def measure_in_background(
        self, engine: str, model: str, run: Callable[[int], float | None]
    ) -> None:
        """Measure a registered engine once it is idle, and keep its profile under ``model``.

        ``run(size)`` runs one batch and returns its seconds, ``None`` once the engine is gone.
        """
        if not self.measure or self.store.load(model, "local") is not None:
            return
        scheduler = self.scheduler(engine)

        async def measured() -> None:
            curve = await measure_when_idle(scheduler, run)
            if curve is None:
                return
            profile = EngineProfile.measured(scheduler.engine.kind.value, curve)
            self.profiles.publish(engine, profile)
            with suppress(OSError):  # a directory that cannot be written only costs the next start
                self.store.save(model, "local", profile)

        self.submit(measured())

    def observe(self, request: Request) -> None:
        """Learn from a call that has ended."""
        if not request.future.cancelled() and request.ended is not None:
            self.profiles.observe(request.record)

    def first(self, what: Hashable) -> bool:
        """Whether this is asked for the first time: for what is to be done once a runtime."""
        if what in self._done:  # every call asks; a lock held by a thread that waits costs all
            return False
        with self._lock:
            known = what in self._done
            self._done.add(what)
            return not known

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The runtime's event loop, started on first use. No framework code runs on it.

        Nor does what finalizers start: see :mod:`ayo_bridge.schedule.own_loop`.
        """
        with self._lock:
            if self._loop is None:
                # Not in the context of the call that comes first: its scope would live as long.
                self._loop = contextvars.Context().run(new_own_loop)
                self._thread = threading.Thread(
                    target=run_loop, args=(self._loop,), name="ayo-bridge loop", daemon=True
                )
                self._thread.start()
                self.closed = False
            return self._loop

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine on the runtime's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def placement(self, engine: Engine) -> LoopPlacement | ThreadPlacement:
        """Where an engine runs: threads of its own for a batch engine, else the loop."""
        with self._lock:
            if isinstance(engine, BatchEngine):
                if engine.name not in self._threads:
                    # Its instances may become more; threads are started as they are needed.
                    most = max(engine.limits.instances, os.cpu_count() or 1)
                    self._threads[engine.name] = ThreadPlacement(engine.name, most, self.loop)
                return self._threads[engine.name]
            if self._loop_placement is None:
                self._loop_placement = LoopPlacement(self.loop, self.client.sent)
            return self._loop_placement

    def close(self) -> None:
        """Stop the loop and the threads; engines' connections are closed. Idempotent.

        What is still to be exported of calls is.
        """
        with self._lock:
            self.closed = True
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
            threads, self._threads = self._threads, {}
            self._loop_placement = None
        for placement in threads.values():
            placement.close()
        if loop is not None and thread is not None:
            closing = [scheduler.engine.aclose() for scheduler in self._schedulers.values()]
            asyncio.run_coroutine_threadsafe(shut_down(closing), loop).result(timeout=5)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(timeout=5)
        if self.telemetry is not None:
            self.telemetry.close()


_runtimes: weakref.WeakSet[Runtime] = weakref.WeakSet()
_default: Runtime | None = None
_default_lock = threading.Lock()


def default_runtime() -> Runtime:
    """The process-wide runtime, made on first use."""
    global _default
    with _default_lock:
        if _default is None:
            _default = Runtime()
            atexit.register(_default.close)
        return _default


def _after_fork() -> None:
    global _default_lock
    _default_lock = threading.Lock()
    for runtime in list(_runtimes):
        runtime.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

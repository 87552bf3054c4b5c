"""Answers ``ayo-bridge top``: what this process does, told to whoever asks at its socket.

Nothing is counted for it, and nothing written. A thread sleeps until somebody asks, and then looks
at what is there anyway. Names of engines and classes are told, no texts and no credentials.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import socket
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, Protocol

from ayo_bridge.engines.live_names import base_name
from ayo_bridge.engines.openai_http.replicated import Replicated
from ayo_bridge.record.counters import Counters
from ayo_bridge.telemetry import sockets
from ayo_bridge.telemetry.gauges import Watched

VERSION: Final = 1
"""Of what is told; another one is of another ayo-bridge."""
_PATIENCE: Final = 1.0
_FEW: Final = 64
"""Objects that are known before those that are gone are looked for."""
_NUMBERS: Final = tuple(each.name for each in fields(Counters) if each.name != "primitives")
_logger: Final = logging.getLogger(__name__)
Json = dict[str, Any]


class Counted(Protocol):
    """What is asked of the state of an accelerated object."""

    @property
    def target(self) -> str:
        """The name of its class."""

    def totals(self) -> Counters:
        """The totals of its calls so far."""


class Seen(Watched, Protocol):
    """What is asked of a runtime."""

    @property
    def replicated(self) -> Replicated:
        """Its LLMs that have replicas."""


class Shown:
    """The runtimes and accelerated objects of this process, while they live. Thread-safe."""

    def __init__(self) -> None:
        self._runtimes: weakref.WeakSet[Seen] = weakref.WeakSet()
        self._objects: list[tuple[weakref.ref[Counted], str, Counters]] = []
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._gone: dict[str, dict[str, float]] = {}
        """By class: the sums of objects that are gone."""
        self._tidied = len(self._objects)
        self._socket: socket.socket | None = None
        self._path: Path | None = None

    def enter(self, runtime: Seen) -> None:
        """Show a runtime, as long as it lives."""
        with self._lock:
            self._runtimes.add(runtime)
            self._listen()

    def add(self, counted: Counted, counters: Counters) -> None:
        """Show an accelerated object; what its calls were stays when it is gone.

        ``counters`` is what its state counts in, without those that it has yet to count.
        """
        with self._lock:
            self._objects.append((weakref.ref(counted), counted.target, counters))
            if len(self._objects) > 2 * self._tidied + _FEW:
                self._tidy()

    def _tidy(self) -> None:
        """Add up those that are gone. Locked."""
        alive = []
        for each in self._objects:
            found, target, counters = each
            if found() is not None:
                alive.append(each)
            else:
                _add(self._gone.setdefault(target, {}), counters)
        self._objects, self._tidied = alive, len(alive)

    def snapshot(self) -> Json:
        """What this process does at the moment; times are seconds."""
        with self._lock:
            self._tidy()
            runtimes = list(self._runtimes)
            objects = [found for ref, _, _ in self._objects if (found := ref()) is not None]
            calls = {target: dict(sums) for target, sums in self._gone.items()}
        for each in objects:
            _add(calls.setdefault(each.target, {}), each.totals())
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "program": _program(),
            "objects": [{"target": name, **sums} for name, sums in calls.items()],
            "engines": [row for runtime in runtimes for row in _engines(runtime)],
            "servers": [row for runtime in runtimes for row in _servers(runtime)],
            "replicas": [row for runtime in runtimes for row in _replicas(runtime)],
        }

    # The socket.

    def _listen(self) -> None:
        """Begin to answer, once a process. Whatever is in the way is logged. Locked."""
        if self._socket is not None or not sockets.supported():
            return
        try:
            self._socket, self._path = sockets.listening()
        except OSError as error:
            _logger.warning("ayo-bridge top cannot see this process: %s", error)
            return
        threading.Thread(
            target=self._answer, args=(self._socket,), name="ayo-bridge top", daemon=True
        ).start()

    def _answer(self, there: socket.socket) -> None:
        while True:
            try:
                asking, _ = there.accept()
            except OSError:  # It was closed.
                return
            with asking, suppress(OSError):
                asking.settimeout(_PATIENCE)
                asking.sendall(self._said())

    def _said(self) -> bytes:
        try:
            return json.dumps(self.snapshot()).encode()
        except Exception:
            _logger.exception("ayo-bridge top was told nothing")
            return b""

    def close(self) -> None:
        """Answer no more. Idempotent."""
        with self._lock:
            there, self._socket = self._socket, None
            path, self._path = self._path, None
        if there is not None:
            with suppress(OSError):
                there.shutdown(socket.SHUT_RDWR)  # Wakes the thread that waits for somebody.
            there.close()
        if path is not None:
            path.unlink(missing_ok=True)

    def forked(self) -> None:
        """In a child: the socket and its thread are the parent's."""
        inherited = self._socket
        self._reset()
        if inherited is not None:
            inherited.close()
            with self._lock:
                self._listen()


def _add(sums: dict[str, float], counters: Counters) -> None:
    for name in _NUMBERS:
        sums[name] = sums.get(name, 0) + getattr(counters, name)


def _program() -> str:
    """What runs, without its arguments: they may say what nobody is to see."""
    return Path(sys.argv[0] if sys.argv and sys.argv[0] else sys.executable).name


def _engines(runtime: Watched) -> Iterator[Json]:
    for scheduler in runtime.schedulers:
        engine = scheduler.engine
        yield {
            "engine": base_name(engine.name),
            "kind": engine.kind.value,
            "waiting": scheduler.depth,
            "running": scheduler.running,
            "batches": scheduler.batches,
            "calls": scheduler.batched_calls,
        }


def _servers(runtime: Watched) -> Iterator[Json]:
    loads: Mapping[str, Any] = runtime.loads
    for server, load in loads.items():
        yield {
            "server": server,
            "own": load.own,
            "awaited": load.awaited,
            "ahead": load.ahead,
            "held": load.held,
            "limit": load.description,
        }


def _replicas(runtime: Seen) -> Iterator[Json]:
    for each in runtime.replicated.all:
        model = each.declared.model
        for server, up, requests in zip(each.servers, each.up(), each.requests(), strict=True):
            if requests or each.has(server):
                yield {"model": model, "server": server, "up": up, "requests": requests}


_process: Final[list[Shown]] = []


def shown_here(runtime: Seen) -> Shown:
    """Who shows the runtimes of this process, this one among them."""
    if not _process:
        _process.append(Shown())
        atexit.register(_process[0].close)
    _process[0].enter(runtime)
    return _process[0]


def hide() -> None:
    """Show this process no more: it ends without what is registered for its exit."""
    for shown in _process:
        shown.close()


def _forked() -> None:
    for shown in _process:
        shown.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

"""Any engine of the user's that a function makes, in the shared process."""

from __future__ import annotations

import importlib
import json
import sys
import threading
from collections.abc import Sequence
from typing import Any, Final

from ayo_bridge.engines.shared.engine import SharedEngine
from ayo_bridge.engines.shared.frames import Header
from ayo_bridge.engines.shared.hosting import Hosted
from ayo_bridge.engines.shared.place import SharedProcess
from ayo_bridge.engines.shared.ray_reach import RayActor
from ayo_bridge.errors import ArgumentError
from ayo_bridge.seam import BatchEngine, Call, EngineHome, EngineKind, Limits, Unkeyed

_HOST: Final = f"{__name__}:host"


class MadeEngine(SharedEngine):
    """An engine that ``make(**settings)`` returns, a :class:`BatchEngine`, in the shared process.

    Calls and results are plain data (JSON) or arrays of NumPy's; what else a workflow asks is
    turned into such by a ``to_request`` and ``to_value`` of your subclass. Where there can be no
    shared process the engine is made here, when it is first needed.

    Args:
        name: the engine's name.
        kind: what it serves.
        make: ``package.module:function``, importable in both processes.
        placement: where it runs.
        settings: arguments of the function, in JSON.

    Raises:
        ArgumentError: ``make`` names no function of a module.
    """

    patient = True
    limits = Limits(continuous=True)

    def __init__(
        self,
        name: str,
        kind: EngineKind,
        make: str,
        *,
        placement: SharedProcess | RayActor,
        **settings: Any,
    ) -> None:
        module, _, function = make.partition(":")
        if not module or not function:
            raise ArgumentError(f"make is to be 'package.module:function', not {make!r}")
        self.name, self.kind, self.placement = name, kind, placement
        self._make, self._settings = make, settings
        self._lock = threading.Lock()
        self._own: BatchEngine | None = None

    def hello(self) -> Header:
        """The function and its arguments."""
        return {"host": _HOST, "settings": {"make": self._make, "settings": self._settings}}

    def facts(self) -> Header:
        """Where the function is found, too; for an actor its own node says that."""
        if isinstance(self.placement, RayActor):
            return super().facts()
        return {**super().facts(), "path": list(dict.fromkeys(sys.path))}

    def wired(self, call: Call) -> Header | None:
        """The payload, if it is plain data."""
        try:
            group = None if call.group is None else json.dumps(call.group)
            payload = json.loads(json.dumps(call.payload))
        except (TypeError, ValueError):
            return None
        if payload != call.payload:
            return None
        return {"payload": payload, "items": call.items, "group": group}

    def run(self, calls: Sequence[Call]) -> Sequence[object]:
        """Run a batch here."""
        with self._lock:
            if self._own is None:
                self._own = _made(self._make, self._settings)
        return self._own.run(calls)

    def after_fork(self) -> None:
        """Leave the parent's connection alone."""
        self._lock = threading.Lock()
        super().after_fork()


def _made(make: str, settings: dict[str, Any]) -> BatchEngine:
    module, _, function = make.partition(":")
    engine = getattr(importlib.import_module(module), function)(**settings)
    if not isinstance(engine, BatchEngine):
        raise ArgumentError(f"{make} returns a {type(engine).__name__}, not a BatchEngine")
    return engine


def host(settings: Header, runtime: EngineHome) -> Hosted:
    """Make the engine in the shared process."""
    engine = _made(settings["make"], settings["settings"])
    runtime.register(engine)
    return _HostedEngine(engine.name)


class _HostedEngine(Hosted):
    def __init__(self, name: str) -> None:
        self.name = name

    def call(self, header: Header) -> Call:
        items, group = header.get("items"), header.get("group")
        if not isinstance(items, int):
            raise ValueError("a call has a number of items")
        payload = header.get("payload")
        return Call(self.name, Unkeyed(self.name), payload, items=items, group=group)

    def sent(self, call: Call) -> Header:
        return {"payload": call.payload, "items": call.items, "group": call.group}

"""The engines of the shared process: one for all who ask for the very same."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ayo_bridge.engines.declared_file import VARIABLE
from ayo_bridge.engines.shared.frames import Header
from ayo_bridge.engines.shared.hosting import Hosted, NotServedError

if TYPE_CHECKING:
    from ayo_bridge.runtime import Runtime
    from ayo_bridge.schedule import EngineScheduler, Request

_logger: Final = logging.getLogger(__name__)


class Engine:
    """A hosted engine, its scheduler, and how many clients it has."""

    def __init__(self, key: str, hosted: Hosted, runtime: Runtime) -> None:
        self.key, self.hosted, self.runtime = key, hosted, runtime
        self.scheduler: EngineScheduler = runtime.scheduler(hosted.name)
        self.clients = 0

    def submit(self, client: int, header: Header, **callbacks: Any) -> Request:
        """Queue a call that a client has sent, beside those of all others.

        Raises:
            TypeError, ValueError: it is none.
        """
        call = self.hosted.call(header)
        return self.scheduler.submit(
            call,
            query=(client, header.get("query")),
            node=str(header.get("node", "")),
            depth=int(header.get("depth", 1)),
            priority=int(header.get("priority", 0)),
            serves=int(header.get("serves", 1)),
            since=self.runtime.clock() - float(header.get("age", 0.0)),
            remaining=float(header.get("remaining", 0.0)),
            left=float(header.get("left", 0.0)),
            **callbacks,
        )


class Hosts:
    """Makes engines when they are first asked for, and drops those that nobody uses any more.

    Lives on the server's loop. Each engine has a runtime of its own, so that it goes as a whole.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._engines: dict[str, asyncio.Task[Engine]] = {}

    async def enter(self, hello: Header) -> Engine:
        """The engine for one more client.

        Raises:
            NotServedError: it cannot be had.
        """
        key = json.dumps(hello, sort_keys=True)
        making = self._engines.get(key)
        if making is None:
            making = asyncio.get_running_loop().create_task(_made(key, hello))
            self._engines[key] = making
        try:
            engine = await asyncio.shield(making)
        except NotServedError:
            self._engines.pop(key, None)  # Files may be there the next time.
            raise
        engine.clients += 1
        return engine

    def leave(self, engine: Engine) -> None:
        """One client less."""
        engine.clients -= 1
        if not engine.clients:
            asyncio.get_running_loop().call_later(self._grace, self._drop, engine)

    def _drop(self, engine: Engine) -> None:
        if not engine.clients and self._engines.pop(engine.key, None) is not None:
            _logger.info("%s: nobody uses it any more", engine.hosted.name)
            engine.runtime.close()
            gc.unfreeze()  # So that the collector finds the model, too.


async def _made(key: str, hello: Header) -> Engine:
    return await asyncio.to_thread(make, key, hello)


def make(key: str, hello: Header, make_runtime: Callable[..., Runtime] | None = None) -> Engine:
    """The engine that a client has asked for, alone in a runtime of its own.

    Raises:
        NotServedError: it cannot be had.
    """
    module, _, name = str(hello.get("host", "")).partition(":")
    settings: Any = hello.get("settings", {})
    from ayo_bridge.runtime import Runtime  # A process that is asked for nothing loads nothing.

    # What it declares is shared here; a runtime that reads it would send calls in a circle.
    os.environ.pop(VARIABLE, None)
    runtime = (make_runtime or Runtime)(
        strict=bool(settings.get("strict")), otel=False, metrics=False
    )
    try:
        hosted = getattr(importlib.import_module(module), name)(settings, runtime)
    except NotServedError as error:
        _logger.info("%s", error)
        raise
    except Exception as error:
        _logger.exception("an engine could not be made")
        raise NotServedError(repr(error)) from error
    # Else the collector goes through all that was loaded while calls wait, for a third of a second.
    gc.collect()
    gc.freeze()
    _logger.info("%s is ready", hosted.name)
    return Engine(key, hosted, runtime)

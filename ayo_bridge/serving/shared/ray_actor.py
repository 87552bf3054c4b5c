"""A Ray actor that holds an engine for the worker processes of all nodes.

Calls and results are the frames of the shared process, as bytes: nothing of others is unpickled.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from ayo_bridge.engines.shared.frames import Frames, packed
from ayo_bridge.engines.shared.hosting import NotServedError
from ayo_bridge.engines.shared.line import Lost
from ayo_bridge.engines.shared.ray_reach import named_actor, revived
from ayo_bridge.schedule import FoundLater
from ayo_bridge.serving.shared.client import outcome, outcome_frame
from ayo_bridge.serving.shared.hosts import Engine, make
from ayo_bridge.serving.shared.spread import Replica, SpreadRuntime

_logger: Final = logging.getLogger(__name__)


class EngineActor:
    """One engine; Ray starts it anew when it has died.

    The actor that is asked has the queue of all calls, and others run batches that it hands them.
    They are started when it serves itself, and found again where it is started anew.

    Args:
        hello: what is to run, in JSON.
        others: names of the actors that run batches of this one's queue.
        options: Ray's, of each of them.
    """

    def __init__(self, hello: str, others: Sequence[str], options: Mapping[str, Any]) -> None:
        self._engine: Engine | None = None
        self._refused = ""
        ray = importlib.import_module("ray")
        replicas = [_Actor(ray, partial(named_actor, ray, each, options, hello)) for each in others]
        try:
            if replicas:
                made = partial(SpreadRuntime, replicas)
                self._engine = make(hello, json.loads(hello), made)
            else:
                self._engine = make(hello, json.loads(hello))
        except NotServedError as error:
            self._refused = str(error)
            return
        if isinstance(self._engine.runtime, SpreadRuntime):
            self._engine.runtime.spread.begin(self._engine.hosted.sent)

    async def ready(self) -> bytes:
        """Whether it serves, as a frame."""
        if self._engine is None:
            return packed({"refused": self._refused, "for_good": True})
        return packed({"ready": True})

    async def ask(self, client: int, frame: bytes) -> bytes:
        """Run a call beside those of all others; its outcome, as a frame."""
        ((header, _),) = Frames().feed(frame)
        number = int(header["id"])
        assert self._engine is not None, "nobody asks an actor that has refused"
        try:
            request = self._engine.submit(client, header)
        except (TypeError, ValueError) as error:
            return packed({"id": number, "error": str(error)})
        try:
            await asyncio.wait([asyncio.wrap_future(request.future)])
        except asyncio.CancelledError:
            request.cancel()
            raise
        if request.future.cancelled():
            return packed({"id": number, "error": "it was cancelled"})
        return outcome_frame(number, outcome(request.future))

    async def run(self, frames: bytes) -> bytes:
        """Run a batch of another actor's queue; an outcome a call, as frames."""
        engine = self._engine
        assert engine is not None, "nobody asks an actor that has refused"
        headers = [header for header, _ in Frames().feed(frames)]
        calls = [engine.hosted.call(header) for header in headers]
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Sequence[object]] = loop.create_future()

        def done(results: Sequence[object]) -> None:
            loop.call_soon_threadsafe(ended.set_result, results)

        place = FoundLater(engine.runtime.placement)
        place.start(engine.scheduler.engine, calls, done, lambda abort: None)
        results = zip(headers, await ended, strict=True)
        return b"".join(outcome_frame(header["id"], result) for header, result in results)

    async def batches(self) -> tuple[int, int]:
        """How many batches it has made so far of how many calls, wherever they ran."""
        assert self._engine is not None, "it has refused"
        return self._engine.scheduler.batches, self._engine.scheduler.batched_calls


class _Actor(Replica):
    """Another actor with the same engine.

    Args:
        ray: the library.
        find: finds the actor, or makes it. Waits for the cluster.
    """

    def __init__(self, ray: Any, find: Callable[[], Any]) -> None:
        self._ray, self._find = ray, find
        self._actor: Any = None

    async def run(self, frames: bytes) -> bytes:
        """Send a batch."""
        try:
            answer: bytes = await asyncio.wrap_future(self._actor.run.remote(frames).future())
        except self._ray.exceptions.RayError as error:
            raise Lost(f"Ray: {error}") from error
        return answer

    async def revive(self) -> bool:
        """Wait until it serves; whether it ever will."""
        self._actor, refused = await revived(self._ray, self._find)
        if refused:
            _logger.warning("a replica has another engine: %s", refused)
            self._ray.kill(self._actor)
        return not refused

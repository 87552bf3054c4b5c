"""A Ray actor that holds an engine for the worker processes of all nodes.

Calls and results are the frames of the shared process, as bytes: nothing of others is unpickled.
"""

from __future__ import annotations

import asyncio
import json

from ayo_bridge.engines.shared.frames import Frames, packed
from ayo_bridge.engines.shared.hosting import NotServedError
from ayo_bridge.serving.shared.client import outcome_frame
from ayo_bridge.serving.shared.hosts import Engine, make


class EngineActor:
    """One engine and its scheduler; Ray starts it anew when it has died.

    Args:
        hello: what is to run, in JSON.
    """

    def __init__(self, hello: str) -> None:
        self._engine: Engine | None = None
        self._refused = ""
        try:
            self._engine = make(hello, json.loads(hello))
        except NotServedError as error:
            self._refused = str(error)

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
        return outcome_frame(number, request.future)

    async def batches(self) -> tuple[int, int]:
        """How many batches it has run so far, and how many calls were in them."""
        assert self._engine is not None, "it has refused"
        return self._engine.scheduler.batches, self._engine.scheduler.batched_calls

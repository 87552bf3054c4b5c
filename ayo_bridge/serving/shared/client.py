"""One client of the shared process: its calls go to the engine's scheduler, beside all others'."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, cast

from ayo_bridge.engines.shared.frames import FrameError, Frames, Header, packed, result_frame
from ayo_bridge.engines.shared.hosting import NotServedError
from ayo_bridge.engines.shared.place import is_own_peer
from ayo_bridge.serving.shared.hosts import Engine, Hosts

if TYPE_CHECKING:
    from ayo_bridge.schedule import Request

_logger: Final = logging.getLogger(__name__)
_numbers: Final = itertools.count()
MOST_WAITING: Final = 1024
"""So many calls of one client wait at most; then nothing more is read of it, until half are done.
Its own process makes what it cannot send."""


class Client(asyncio.Protocol):
    """A connection. Lives on the server's loop; engines' threads hand results over to that."""

    def __init__(
        self,
        hosts: Hosts,
        came: Callable[[Client], object],
        gone: Callable[[Client], object],
    ) -> None:
        self._hosts, self._came, self._gone = hosts, came, gone
        self._loop = asyncio.get_running_loop()
        self._number = next(_numbers)
        self._frames = Frames()
        self._engine: Engine | None = None
        self._transport: asyncio.Transport | None = None
        self._requests: dict[int, Request] = {}
        self._greeting: asyncio.Task[None] | None = None
        self._paused = False

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A process of this user's, or nobody."""
        self._transport = cast(asyncio.Transport, transport)
        if is_own_peer(transport.get_extra_info("socket")):
            self._came(self)
        else:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """It has gone, and wants nothing of what it has asked any more."""
        self._transport = None
        requests, self._requests = self._requests, {}
        for request in requests.values():
            request.cancel()
        if self._engine is not None:
            self._hosts.leave(self._engine)
        self._gone(self)

    def data_received(self, data: bytes) -> None:
        """Queue what has arrived together together."""
        try:
            with ExitStack() as held:
                if self._engine is not None:
                    held.enter_context(self._engine.scheduler.held())
                for header, _ in self._frames.feed(data):
                    self._take(header)
        except FrameError as error:
            _logger.warning("a client is left: %s", error)
            self.close()

    def _take(self, header: Header) -> None:
        if "ping" in header:
            self._write(packed({"pong": 1}))
        elif "cancel" in header:
            request = self._requests.pop(header["cancel"], None)
            if request is not None:
                request.cancel()
        elif self._engine is not None:
            self._call(self._engine, header)
        elif self._greeting is None:
            self._greeting = self._loop.create_task(self._greet(header))
        else:
            raise FrameError("a call came before its engine was there")

    async def _greet(self, hello: Header) -> None:
        try:
            engine = await self._hosts.enter(hello)
        except NotServedError as error:
            self._write(packed({"refused": str(error), "for_good": True}))
            return
        if self._transport is None:
            self._hosts.leave(engine)
            return
        self._engine = engine
        self._write(packed({"ready": True}))

    def _call(self, engine: Engine, header: Header) -> None:
        number = header.get("id")
        if not isinstance(number, int):
            raise FrameError("a call has no number")

        def queued(request: Request) -> None:
            self._requests[number] = request

        def done(request: Request) -> None:
            request.future.add_done_callback(lambda future: self._answer(number, future))

        try:
            engine.submit(self._number, header, on_queue=queued, on_done=done)
        except (TypeError, ValueError) as error:
            self._write(packed({"id": number, "error": str(error)}))
        self._heed()

    def _answer(self, number: int, future: Future[object]) -> None:
        """In the thread of the engine: make the frame there."""
        if not future.cancelled():
            frame = outcome_frame(number, outcome(future))
            self._loop.call_soon_threadsafe(self._answered, number, frame)

    def _answered(self, number: int, frame: bytes) -> None:
        if self._requests.pop(number, None) is not None:
            self._write(frame)
            self._heed()

    def _heed(self) -> None:
        """Read no more of a client that has asked enough."""
        if self._transport is None:
            return
        waiting = len(self._requests)
        if not self._paused and waiting >= MOST_WAITING:
            self._paused = True
            self._transport.pause_reading()
        elif self._paused and waiting <= MOST_WAITING // 2:
            self._paused = False
            self._transport.resume_reading()

    def _write(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame)


def outcome(future: Future[object]) -> object:
    """What came of a request that was not cancelled: its result, or an exception."""
    error = future.exception()
    return future.result() if error is None else error


def outcome_frame(number: int, found: object) -> bytes:
    """What came of a call, as it is sent."""
    if not isinstance(found, BaseException):
        try:
            return result_frame(number, found)
        except (TypeError, ValueError) as unfit:
            found = unfit
    return packed({"id": number, "error": repr(found)})

"""How the shared process of this machine is reached: by its Unix socket."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Final, cast

from ayo_bridge.engines.shared.frames import FrameError, Frames, Header, packed
from ayo_bridge.engines.shared.line import (
    Answered,
    Connection,
    Line,
    Lost,
    Reach,
    RefusedError,
    outcome_of,
)
from ayo_bridge.engines.shared.place import is_own_peer

_logger: Final = logging.getLogger(__name__)
LOOKED: Final = 0.1
"""Seconds between two looks for a process that starts."""
STARTED_AGAIN: Final = 5.0
"""A process that does not listen after so many seconds is started once more: it may have met one
that was about to end."""
LISTENS_WITHIN: Final = 60.0
"""Seconds for starting a process, without its models."""
PING: Final = 2.0
HUNG: Final = 15.0
"""A process that is silent for so many seconds, with calls in its hands, is given up."""
HUNG_LOADING: Final = 60.0
"""So is one that loads a model: libraries take long to load, and hold the interpreter."""


class SocketReach(Reach):
    """Connects to the process of a socket, and starts one where nobody listens.

    Args:
        find: the socket.
        launch: starts a process that serves at a socket.
        hello: what is to be run there.

    All are called off the loop, and raise ``OSError`` for what may pass and ``ValueError`` for
    what will not.
    """

    def __init__(
        self,
        find: Callable[[], Path],
        launch: Callable[[Path], None],
        hello: Callable[[], Header],
    ) -> None:
        self._find, self._launch, self._hello = find, launch, hello

    async def connect(self, line: Line) -> Connection:
        """Connect, start a process where none listens, and wait until it has the model."""
        path = await asyncio.to_thread(self._find)
        hello = await asyncio.to_thread(self._hello)
        loop = asyncio.get_running_loop()
        began, launched = loop.time(), 0.0
        while True:
            try:
                _, wire = await loop.create_unix_connection(lambda: _Wire(line), str(path))
                return await self._greeted(wire, hello)
            except (FileNotFoundError, ConnectionRefusedError):
                line.absent()
                if loop.time() - began > LISTENS_WITHIN:
                    raise OSError(f"nobody listens: see {path.with_suffix('.log')}") from None
                if not launched or loop.time() - launched >= STARTED_AGAIN:
                    launched = loop.time()
                    await asyncio.to_thread(self._launch, path)
                else:
                    await asyncio.sleep(LOOKED)
            except Lost:
                # It was about to end when it was met: the next one is not. One that was killed
                # listens until the last.
                if launched or loop.time() - began > LISTENS_WITHIN:
                    raise
                await asyncio.sleep(LOOKED)

    @staticmethod
    async def _greeted(wire: _Wire, hello: Header) -> Connection:
        try:
            await wire.greeted(hello)
        except BaseException:
            wire.close()
            raise
        return wire


class _Wire(asyncio.Protocol, Connection):
    """One connection, and who waits for answers on it."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._frames = Frames()
        self._waiting: dict[int, Answered] = {}
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._greeting: asyncio.Future[None] = self._loop.create_future()
        self._heard = self._loop.time()
        self._watch: asyncio.TimerHandle | None = None

    def greeted(self, hello: Header) -> Awaitable[None]:
        """Say what is to be run; done when it can be."""
        if self._transport is not None:  # Else it has ended already, and the greeting with it.
            self._transport.write(packed(hello))
            self._watch = self._loop.call_later(PING, self._look)
        return self._greeting

    def send(self, number: int, frame: bytes, answered: Answered) -> None:
        """Send a call."""
        if self._transport is None or self._transport.is_closing():
            answered(Lost())
            return
        if not self._waiting:
            self._heard = self._loop.time()
        self._waiting[number] = answered
        self._transport.write(frame)
        if self._watch is None:
            self._watch = self._loop.call_later(PING, self._look)

    def cancel(self, number: int) -> None:
        """Take a call back."""
        if self._waiting.pop(number, None) is not None and self._transport is not None:
            self._transport.write(packed({"cancel": number}))

    def close(self) -> None:
        """End the connection; who waits is told that it is lost."""
        if self._transport is not None:
            self._transport.abort()

    def end(self) -> None:
        """End the connection with all that waits for it."""
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            answered(CancelledError())
        self.close()

    def leave(self) -> None:
        """Put something else in the place of the parent's connection: a copy that stays open in a
        child would keep the process alive when the parent has gone."""
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, sock.fileno(), inheritable=False)
            os.close(nowhere)

    def _look(self) -> None:
        """Whether the process is still there, while somebody waits for it."""
        self._watch = None
        loading = not self._greeting.done()
        if self._transport is None or not (self._waiting or loading):
            return
        if self._loop.time() - self._heard > (HUNG_LOADING if loading else HUNG):
            _logger.warning("the shared process does not answer; its calls are made elsewhere")
            if loading:
                self._greeting.set_exception(OSError("it does not answer"))
            self._transport.abort()
            return
        self._transport.write(packed({"ping": 1}))
        self._watch = self._loop.call_later(PING, self._look)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected; to a process of this user's, or to nobody."""
        self._transport = cast(asyncio.Transport, transport)
        if not is_own_peer(transport.get_extra_info("socket")):
            self._greeting.set_exception(OSError("the socket is another user's"))
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand out answers."""
        self._heard = self._loop.time()
        try:
            for header, body in self._frames.feed(data):
                self._take(header, body)
        except FrameError as error:
            _logger.warning("the shared process is left: %s", error)
            self.close()

    def _take(self, header: Header, body: bytes) -> None:
        if "id" in header:
            if header["id"] not in self._waiting:  # Taken back meanwhile.
                return
            outcome = outcome_of(header, body)
            self._waiting.pop(header["id"])(outcome)
        elif not self._greeting.done():
            if "ready" in header:
                self._greeting.set_result(None)
            elif header.get("for_good"):
                self._greeting.set_exception(ValueError(header.get("refused")))
            elif "refused" in header:
                self._greeting.set_exception(RefusedError(header["refused"]))

    def pause_writing(self) -> None:
        """More waits to be sent than the process takes: calls go elsewhere."""
        self.full = True

    def resume_writing(self) -> None:
        """It takes them again."""
        self.full = False

    def connection_lost(self, error: Exception | None) -> None:
        """The process has gone."""
        self._transport = None
        self._line.lost(self)
        if not self._greeting.done():
            self._greeting.set_exception(Lost("the process ended before it was ready"))
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            answered(Lost())

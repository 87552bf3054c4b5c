"""The way of one engine's calls to where they run. Lives on the runtime's loop.

A line finds its place, and comes back to it when that has died. How it is reached, and how calls
get there, is its :class:`Reach` and the :class:`Connection` that this makes.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Final

from ayo_bridge.engines.shared.frames import Header, packed, result_of

_logger: Final = logging.getLogger(__name__)
READY_WITHIN: Final = 300.0
"""Seconds for loading a model."""
RESTS: Final = (1.0, 60.0)
"""Seconds without a try after a failure: at first, and at most; they double."""
BACK_WITHIN: Final = 60.0
"""Seconds for which patient calls wait for a place that was there before: where a node has died it
may never be again."""
AGAIN_WITHIN: Final = 0.5
"""Seconds for which an impatient call that was lost looks for another place."""

Answered = Callable[[object], object]
"""Called on the loop, once, with the result of a call: an exception, or :class:`Lost`."""


class Lost(Exception):
    """The place has gone, or never took the call: nothing is known of it."""


class RefusedError(Exception):
    """The call was not run there, or has failed there; the message says why."""


def outcome_of(header: Header, body: bytes) -> object:
    """The outcome of a call that a frame carries: its result, or why there is none.

    Raises:
        FrameError: it carries neither.
    """
    error = header.get("error")
    return result_of(header, body) if error is None else RefusedError(error)


class Connection(ABC):
    """Where calls can be sent. Lives on the loop."""

    full: bool = False
    """No more is taken for the moment."""

    @abstractmethod
    def send(self, number: int, frame: bytes, answered: Answered) -> None:
        """Send a call."""

    @abstractmethod
    def cancel(self, number: int) -> None:
        """Take a call back."""

    @abstractmethod
    def end(self) -> None:
        """End it; who waits is told that the call is cancelled."""

    @abstractmethod
    def leave(self) -> None:
        """Let go of it in a forked child without ending it: it is the parent's."""


class Reach(ABC):
    """How a place is reached. What takes time is done off the loop."""

    @abstractmethod
    async def connect(self, line: Line) -> Connection:
        """Connect, start what is to be there where it is not, and wait until it takes calls.

        Where nothing is there yet it says so to the line (:meth:`Line.absent`). When the
        connection ends it calls :meth:`Line.lost`.

        Raises:
            OSError, RefusedError, Lost, TimeoutError: for what may pass.
            ValueError: for what will not.
        """


class Line:
    """Looks for a place when it is first wanted.

    Args:
        reach: how.
        loop: the runtime's.
        told: gets the reason why nothing is shared, once.
    """

    def __init__(
        self,
        reach: Reach,
        loop: Callable[[], asyncio.AbstractEventLoop],
        told: Callable[[str], object],
    ) -> None:
        self._reach, self._loop, self._told = reach, loop, told
        self.refused = ""
        """Why nothing is shared, for good; empty if that may be."""
        self._untold = self._known = False
        self._since = 0.0
        """When the look that is under way began."""
        self._numbers = itertools.count(1)
        self._forget()

    def _forget(self) -> None:
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._wanted = self._resting = self._closed = False
        self._rest = RESTS[0]
        self._waiting: list[tuple[asyncio.Future[bool], bool]] = []

    # For any thread.

    @property
    def ready(self) -> bool:
        """Whether a call would be sent at once."""
        connection = self._connection
        return connection is not None and not (connection.full or self.refused)

    def begin(self) -> None:
        """Look for the place in the background, unless that is under way."""
        self._tell_why()
        if self._connection is None and not (self._wanted or self.refused or self._closed):
            self._wanted = True
            self._loop().call_soon_threadsafe(self._begin)

    def ask(self, header: Header, answered: Answered) -> int:
        """Send a call; its number is what :meth:`cancel` takes.

        Raises:
            TypeError, ValueError: such a call cannot be sent.
        """
        number = next(self._numbers)
        frame = packed({**header, "id": number})
        loop = self._loop()
        if asyncio._get_running_loop() is loop:
            self._send(number, frame, answered)
        else:
            loop.call_soon_threadsafe(self._send, number, frame, answered)
        return number

    def cancel(self, number: int) -> None:
        """Nobody wants the result any more."""
        self._loop().call_soon_threadsafe(self._cancel, number)

    def refuse(self, reason: str, *, now: bool = True) -> None:
        """Share nothing any more. If not ``now``, that is told when somebody wants to."""
        if not self.refused:
            self.refused, self._untold = reason, True
            if now:
                self._tell_why()

    def _tell_why(self) -> None:
        if self._untold:
            self._untold = False
            self._told(self.refused)

    def forked(self) -> None:
        """In a forked child: leave the parent's connection alone, and let go of it."""
        if self._connection is not None:
            self._connection.leave()
        self._forget()

    # On the loop.

    async def found(self, *, patient: bool) -> bool:
        """Whether calls can be sent: now, or once something has started if ``patient``.

        The impatient are told as soon as nothing is there.
        """
        if self.ready:
            return True
        if self.refused or self._closed or self._resting:
            return False
        loop = asyncio.get_running_loop()
        self._wanted = True
        self._begin()
        within: float | None = AGAIN_WITHIN
        if patient:
            within = BACK_WITHIN - (loop.time() - self._since) if self._known else None
        if within is not None and within <= 0:
            return False
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiting.append((waiter, patient))
        try:
            return await asyncio.wait_for(waiter, within)
        except TimeoutError:
            return False

    async def close(self) -> None:
        """End the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.end()
        self._forget()
        self._closed = True

    def absent(self) -> None:
        """Nothing is there yet: who is impatient goes elsewhere."""
        self._tell(False, only_impatient=True)

    def lost(self, connection: Connection) -> None:
        """A connection has ended; those who waited for an answer have been told."""
        if self._connection is connection:
            self._connection = None

    def _begin(self) -> None:
        if not (self._connecting or self._connection or self._closed or self._resting):
            loop = asyncio.get_running_loop()
            self._since = loop.time()
            self._connecting = loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            self._connection = await asyncio.wait_for(self._reach.connect(self), READY_WITHIN)
            self._known = True
            self._rest = RESTS[0]
            self._tell(True)
        except ValueError as error:  # Another model, or one that cannot be compared.
            self.refuse(str(error))
        except (OSError, RefusedError, Lost, TimeoutError) as error:
            _logger.info("nothing to share: %s", error or type(error).__name__)
            self._resting = True
            asyncio.get_running_loop().call_later(self._rest, self._try_again)
            self._rest = min(2 * self._rest, RESTS[1])
            return
        except Exception as error:
            _logger.exception("nothing is shared")
            self.refuse(repr(error))
        finally:
            self._connecting = None
            self._tell(False)
        self._wanted = False

    def _try_again(self) -> None:
        self._wanted = self._resting = False

    def _tell(self, ready: bool, only_impatient: bool = False) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter, patient in waiting:
            if only_impatient and patient:
                self._waiting.append((waiter, patient))
            elif not waiter.done():
                waiter.set_result(ready)

    def _send(self, number: int, frame: bytes, answered: Answered) -> None:
        if self._closed:
            answered(CancelledError())
        elif self._connection is None:
            answered(Lost())
        else:
            self._connection.send(number, frame, answered)

    def _cancel(self, number: int) -> None:
        if self._connection is not None:
            self._connection.cancel(number)

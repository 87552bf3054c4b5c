"""What the original has asked in a call that is verified, and what it was answered."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, NamedTuple

from ayo_bridge import seam
from ayo_bridge.engines.openai_http.reply import Reply
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.seam import BoundaryCall, Call, EngineCall, Follower, Hit, Told, Unkeyed

LONGEST: Final = 300
"""Characters of a request that a log line shows."""
MOST_BYTES: Final = 16 * 2**20
"""What the answers of one call may be, if they are to be kept."""
_SMALL: Final = 200
"""Bytes that are counted for what has no size."""


class Taken(NamedTuple):
    """A result that was made ahead, and what the original had asked when it took it."""

    key: Hashable
    call: Call
    value: object


class Kept:
    """The requests of one call with their results, in the order of their ends. Thread-safe.

    No more than :data:`MOST_BYTES` are kept; of a call with more, nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.answers: defaultdict[Hashable, list[object]] = defaultdict(list)
        self.taken: list[Taken] = []
        self.states: list[AcceleratedState] = []
        """Those of the objects that were called, the outermost first."""
        self.doubt = ""
        """Why the original cannot be run again on this; empty if it can."""
        self.wrote = ""
        """What it does that shall not be done twice; empty if nothing was seen."""
        self.texts: dict[Hashable, str] = {}
        self._size = 0

    def answered(self, key: Hashable, value: object) -> None:
        """A request has its result."""
        with self._lock:
            if key is None or isinstance(key, Unkeyed):
                self.doubt = "a request has no identity"
            elif self._has_room(_size(value)):
                self.answers[key].append(value)

    def took(self, key: Hashable, call: Call | None, value: object) -> None:
        """The original has taken a result that was made ahead."""
        self.answered(key, value)
        if call is not None and self._size <= MOST_BYTES:
            with self._lock:
                self.taken.append(Taken(key, call, value))

    def failed(self) -> None:
        """A request has failed: it has no result that could be given again."""
        self.doubt = "a request has failed"

    def asks(self, key: Hashable, text: str) -> None:
        """A request in words."""
        with self._lock:
            if self._has_room(len(text)):
                self.texts[key] = text

    def _has_room(self, size: int) -> bool:
        self._size += size
        if self._size <= MOST_BYTES:
            return True
        self.doubt = f"its answers are more than {MOST_BYTES // 2**20} MiB"
        self.answers.clear()
        self.taken.clear()
        self.texts.clear()
        return False


def _size(value: object) -> int:
    """About so many bytes."""
    if isinstance(value, Reply):
        return len(value.body.so_far())
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple):
        return _SMALL + sum(map(_size, value))
    size = getattr(value, "nbytes", _SMALL)
    return size if isinstance(size, int) else _SMALL


class KeptTicket:
    """A ticket whose result is kept."""

    def __init__(self, ticket: seam.Ticket, call: Call | None, key: Hashable, kept: Kept) -> None:
        self._ticket = ticket
        self._call = call
        self._key = key
        self._kept = kept
        self.record: EngineCall = ticket.record

    def wait(self, seconds: float | None = None) -> Hit | None:
        """Like that of the ticket."""
        return self._took(self._ticket.wait(seconds))

    async def wait_async(self, seconds: float | None = None) -> Hit | None:
        """Like that of the ticket."""
        return self._took(await self._ticket.wait_async(seconds))

    def _took(self, hit: Hit | None) -> Hit | None:
        if hit is not None:
            self._kept.took(self._key, self._call, hit.value)
        return hit


class KeptObservation:
    """An observation whose result is kept."""

    wanted: Final = True

    def __init__(self, observation: seam.Observation, key: Hashable, kept: Kept) -> None:
        self._observation = observation
        self._key = key
        self._kept = kept
        self.record: EngineCall = observation.record

    def done(self, result: object = None) -> None:
        """The call has returned."""
        self._observation.done(result)
        self._kept.answered(self._key, result)

    def failed(self, error: BaseException) -> None:
        """The call has raised."""
        self._observation.failed(error)
        self._kept.failed()


class Noting:
    """Remembers what a thread is about to ask, as text that a log line can show.

    Tells ``inner``, who follows the call, of everything.
    """

    def __init__(self) -> None:
        self._here = threading.local()
        self.inner: Follower | None = None

    def begin(self, call: BoundaryCall) -> object:
        """The original makes a call."""
        self._here.asks = call.request
        return None if self.inner is None else self.inner.begin(call)

    def grows(self, handle: object) -> Told | None:
        """Who wants to know the answer while it is written."""
        return None if self.inner is None else self.inner.grows(handle)

    def end(self, handle: object, result: object, error: BaseException | None = None) -> None:
        """It has ended."""
        if self.inner is not None:
            self.inner.end(handle, result, error)

    def helper(self, name: str, value: Callable[[], seam.Answer]) -> None:
        """A helper has returned."""
        if self.inner is not None:
            self.inner.helper(name, value)

    def asks(self) -> str:
        """What this thread asks now, without headers; empty if that is not known."""
        request = getattr(self._here, "asks", None)
        self._here.asks = None
        return "" if request is None else shortened(request())


def shortened(fields: Mapping[str, Any]) -> str:
    """A request as one short line: its beginning and its end, which is where requests differ."""
    text = json.dumps(fields, ensure_ascii=False, default=str)
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"


__all__ = ["Kept", "KeptObservation", "KeptTicket", "Noting", "Taken", "shortened"]

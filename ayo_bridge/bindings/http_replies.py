"""What a reply is to who keeps the books, whatever library it passes through.

A reply computed ahead is played to its reader, perhaps while it still arrives; a reply from the
server is watched as it passes by.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from ayo_bridge.engines.openai_http.engine import OnChunk, follow_text
from ayo_bridge.engines.openai_http.errors import TransportError
from ayo_bridge.engines.openai_http.rebuild import Assembler
from ayo_bridge.engines.openai_http.reply import (
    Body,
    Reply,
    ReplyAbandonedError,
    usage_of,
)
from ayo_bridge.engines.openai_http.request import Headers
from ayo_bridge.engines.openai_http.sent import UNWELL
from ayo_bridge.seam import Dialect, EngineCall, Learner, Observation, Sending, Told

_logger: Final = logging.getLogger(__name__)
_FEW: Final = 8
"""So many pieces of a reply may be kept until somebody asks for its tokens."""


@dataclass(frozen=True, slots=True)
class Head:
    """How a reply begins. ``headers`` say how the bytes are encoded that are noted of it."""

    status: int
    headers: Headers
    reason: bytes = b""
    http_version: bytes = b"HTTP/1.1"


class Player:
    """Keeps the record of a reply that is replayed, which may happen while it arrives."""

    def __init__(
        self,
        reply: Reply,
        record: EngineCall,
        learn: Learner,
        patience: float | None,
        dialect: Dialect | None = None,
    ) -> None:
        self.reply = reply
        self.record = record
        self.patience = patience
        self._counts = None if dialect is None else dialect.tokens
        self._learn: Learner | None = learn

    def chunks(self) -> Iterator[bytes]:
        """Its bytes as they come."""
        return self.reply.body.within(self.patience)

    def achunks(self) -> AsyncIterator[bytes]:
        """Like :meth:`chunks`, for asyncio."""
        return self.reply.body.awithin(self.patience)

    def raised(self, error: Exception) -> bool:
        """Whether an error is the reply's, and not what a signal's handler has thrown at who reads.

        That one is to reach the caller as it is.
        """
        return error is self.reply.body.error or isinstance(error, TransportError)

    def closed(self) -> None:
        """Fill in what is known only now, and stop the engine if it is still at it."""
        learn, self._learn = self._learn, None
        if learn is not None:
            record, usage = self.record, self.reply.usage(self._counts)
            if record.started is not None:
                record.ended = max(record.ended or 0.0, record.started + self.reply.elapsed)
            if usage is not None:
                record.tokens = usage
                learn.observe(record)
        self.reply.abandon()


class Watch:
    """Notes what passes by in a direct reply, and tells its observation at the end.

    ``learn`` is ``None`` for a reply that only has to be timed: nothing of it is kept then, unless
    somebody wants it. ``over`` is called once it has ended, in whatever way, and told whether the
    garbage collector has seen that. ``told`` wants to know the answer of a stream as it grows.
    ``sending`` hears how it fared at its replica.
    """

    def __init__(
        self,
        head: Head,
        observation: Observation,
        learn: Learner | None,
        over: Callable[..., None],
        told: Told | None = None,
        dialect: Dialect | None = None,
        sending: Sending | None = None,
    ) -> None:
        self._sending = sending
        self._first: float | None = None
        self._follow: OnChunk | None = None
        if told is not None:
            piece = None if dialect is None else dialect.piece
            self._follow = follow_text(head.headers, told, Assembler(), piece)
        self._counts = None if dialect is None else dialect.tokens
        self._over = over
        self._head = head
        self._observation: Observation | None = observation
        self._learn = learn
        self._kept = learn is not None or observation.wanted
        self._chunks: list[bytes] = []

    def passed(self, chunk: bytes) -> None:
        """A piece of the reply has come."""
        if self._sending is not None and self._first is None:
            self._first = self._sending.seconds
        if self._kept:
            self._chunks.append(chunk)
        if self._follow is not None:
            try:
                self._follow(chunk)
            except Exception:  # Work ahead never costs the original its reply.
                _logger.exception("following an answer failed")
                self._follow = None

    def done(self) -> None:
        """The reply has come to its end."""
        observation = self._ended()
        if observation is None:
            return
        if self._sending is not None and self._head.status >= UNWELL:
            self._sending.breaks()
        elif self._sending is not None:
            usage = usage_of(self._head.headers, self._chunks, self._counts)
            self._sending.ends(usage, self._first)
        record = observation.record
        observation.done(self._reply() if observation.wanted else None)
        if self._head.status >= 300 or self._learn is None:
            return
        headers, chunks = self._head.headers, self._chunks
        counts = self._counts
        record.usage = lambda: usage_of(headers, chunks, counts)
        if len(chunks) > _FEW or self._learn.due(record.engine):
            self._learn.observe(record)

    def failed(self, error: BaseException) -> None:
        """The reply has broken off."""
        observation = self._ended()
        if observation is not None:
            observation.failed(error)
            if self._sending is None:
                return
            if _broke(error):
                self._sending.breaks()
            else:
                self._sending.drops()

    def __del__(self) -> None:
        self._ended(collected=True)

    def _ended(self, *, collected: bool = False) -> Observation | None:
        observation, self._observation = self._observation, None
        if observation is not None:
            self._over(collected=collected)
        return observation

    def closed(self) -> None:
        """Closed before it was read to its end, so that there is no result.

        The SDK closes a stream at its last event: that is the end.
        """
        if self._observation is None:
            return
        if self._reply().said_done():
            self.done()
        else:
            self.failed(ReplyAbandonedError("the reader closed the reply before its end"))

    def _reply(self) -> Reply:
        head = self._head
        return Reply(
            head.status,
            head.headers,
            Body(self._chunks, ended=True),
            reason=head.reason,
            http_version=head.http_version,
        )


def _broke(error: BaseException) -> bool:
    """Whether the server has failed: the reader has neither left, nor waited for long enough."""
    left = isinstance(error, ReplyAbandonedError) or not isinstance(error, Exception)
    waited = isinstance(error, TimeoutError) or "Timeout" in type(error).__name__
    misread = isinstance(error, ValueError | TypeError | AttributeError | RuntimeError)
    return not (left or waited or misread)

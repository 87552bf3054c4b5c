"""The byte streams of replies, in the form that the HTTP libraries insist on.

A reply computed ahead is replayed, perhaps while it still arrives; a reply from the server is
watched as it passes by.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from time import perf_counter
from types import ModuleType
from typing import Any, Final

from ayo_bridge.engines.openai_http.engine import OnChunk, follow_text
from ayo_bridge.engines.openai_http.rebuild import Assembler
from ayo_bridge.engines.openai_http.reply import (
    Body,
    Reply,
    ReplyAbandonedError,
    usage_of,
)
from ayo_bridge.seam import Dialect, EngineCall, Learner, Observation, Told

_logger: Final = logging.getLogger(__name__)
_FEW: Final = 8
"""So many pieces of a reply may be kept until somebody asks for its tokens."""
ToLibrary = Callable[[Exception], Exception]


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
    somebody wants it. ``over`` is called once it has ended, in whatever way. ``told`` wants to know
    the answer of a stream as it grows.
    """

    def __init__(
        self,
        response: Any,
        observation: Observation,
        learn: Learner | None,
        over: Callable[[], None],
        told: Told | None = None,
        dialect: Dialect | None = None,
    ) -> None:
        self.stream = response.stream
        self._follow: OnChunk | None = None
        if told is not None:
            piece = None if dialect is None else dialect.piece
            self._follow = follow_text(response.headers.raw, told, Assembler(), piece)
        self._counts = None if dialect is None else dialect.tokens
        self._over = over
        self._status: int = response.status_code
        self._headers = response.headers
        self._extensions = response.extensions
        self._observation: Observation | None = observation
        self._learn = learn
        self._kept = learn is not None or observation.wanted
        self._chunks: list[bytes] = []

    def passed(self, chunk: bytes) -> None:
        """A piece of the reply has come."""
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
        record = observation.record
        observation.done(self._reply() if observation.wanted else None)
        if self._status >= 300 or self._learn is None:
            return
        headers, chunks = self._headers, self._chunks
        counts = self._counts
        record.usage = lambda: usage_of(headers.raw, chunks, counts)
        if len(chunks) > _FEW or self._learn.due(record.engine):
            self._learn.observe(record)

    def failed(self, error: BaseException) -> None:
        """The reply has broken off."""
        observation = self._ended()
        if observation is not None:
            observation.failed(error)

    def __del__(self) -> None:
        self._ended()

    def _ended(self) -> Observation | None:
        observation, self._observation = self._observation, None
        if observation is not None:
            self._over()
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
        return Reply(
            self._status,
            tuple(self._headers.raw),
            Body(self._chunks, ended=True),
            reason=self._extensions.get("reason_phrase", b""),
            http_version=self._extensions.get("http_version", b"HTTP/1.1"),
        )


@dataclass(frozen=True, slots=True)
class Streams:
    """The classes of one library's streams.

    Those that replay are made as :class:`Player`, the others as :class:`Watch`.
    """

    replayed: type[Any]
    async_replayed: type[Any]
    watched: type[Any]
    async_watched: type[Any]


@lru_cache(maxsize=2)
def streams_of(library: str) -> Streams:
    """The streams of ``httpx`` or ``httpx2``; the clients insist on base classes of their own."""
    module = importlib.import_module(library)
    to_library = partial(_to_library, module)
    return Streams(
        _replayed(module.SyncByteStream, to_library),
        _async_replayed(module.AsyncByteStream, to_library),
        _watched(module.SyncByteStream),
        _async_watched(module.AsyncByteStream),
    )


def _to_library(library: ModuleType, error: Exception) -> Exception:
    kind = getattr(library, type(error).__name__, library.ReadError)
    mapped: Exception = kind(str(error))
    return mapped


def _replayed(base: Any, to_library: ToLibrary) -> type[Any]:
    class Replayed(Player, base):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            chunks = self.reply.body.within(self.patience)
            while True:
                start = perf_counter()
                try:
                    chunk = next(chunks, None)
                except Exception as error:
                    raise to_library(error) from error.__cause__ or error
                self.record.waited += perf_counter() - start
                if chunk is None:
                    return
                yield chunk

        def close(self) -> None:
            self.closed()

    return Replayed


def _async_replayed(base: Any, to_library: ToLibrary) -> type[Any]:
    class AsyncReplayed(Player, base):  # type: ignore[misc]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            chunks = self.reply.body.awithin(self.patience)
            while True:
                start = perf_counter()
                try:
                    chunk = await anext(chunks, None)
                except Exception as error:
                    raise to_library(error) from error.__cause__ or error
                self.record.waited += perf_counter() - start
                if chunk is None:
                    return
                yield chunk

        async def aclose(self) -> None:
            self.closed()

    return AsyncReplayed


def _watched(base: Any) -> type[Any]:
    class Watched(Watch, base):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            try:
                for chunk in self.stream:
                    self.passed(chunk)
                    yield chunk
            except Exception as error:
                self.failed(error)
                raise
            self.done()

        def close(self) -> None:
            try:
                self.stream.close()
            finally:
                self.closed()

    return Watched


def _async_watched(base: Any) -> type[Any]:
    class AsyncWatched(Watch, base):  # type: ignore[misc]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for chunk in self.stream:
                    self.passed(chunk)
                    yield chunk
            except Exception as error:
                self.failed(error)
                raise
            self.done()

        async def aclose(self) -> None:
            try:
                await self.stream.aclose()
            finally:
                self.closed()

    return AsyncWatched

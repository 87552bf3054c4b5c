"""Replies that can be read while they arrive, from any thread and any event loop."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from time import perf_counter
from typing import Any

from ayo_bridge.engines.openai_http.errors import ReadTimeout
from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.seam import TokenCounts, Usage

_DONE = b"data: [DONE]"

RawHeaders = Sequence[tuple[bytes, bytes]]


class UnreadableReplyError(AyoBridgeError):
    """A reply has no text that we can read: it failed, or it is encoded in an unknown way."""


class ReplyAbandonedError(AyoBridgeError):
    """The reader closed a reply before its end, or the runtime was closed."""


class Body:
    """Bytes that arrive. One writer; any number of readers, each of which sees every chunk."""

    __slots__ = (
        "_chunks",
        "_ending",
        "_lock",
        "_waiting",
        "ended",
        "error",
        "first",
        "last",
        "started",
    )

    def __init__(self, chunks: Iterable[bytes] = (), *, ended: bool = False) -> None:
        self._chunks = list(chunks)
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], None]] = []
        self._ending: list[Callable[[], None]] = []
        self.ended = ended
        self.error: BaseException | None = None
        self.started = self.last = perf_counter()
        """When the request was sent, and when the last bytes came."""
        self.first: float | None = None
        """When the first bytes came."""

    def write(self, chunk: bytes) -> None:
        """Add bytes and wake the readers."""
        with self._lock:
            self._chunks.append(chunk)
            self.last = perf_counter()
            if self.first is None:
                self.first = self.last
            waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    def end(self, error: BaseException | None = None) -> None:
        """No more bytes will come; with ``error`` the readers get it after the last. Idempotent."""
        with self._lock:
            if self.ended:
                return
            self.error = error
            self.ended = True
            waiting, self._waiting = self._waiting + self._ending, []
            self._ending = []
        for wake in waiting:
            wake()

    def on_end(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called once no more bytes come (at once if none do)."""
        with self._lock:
            if not self.ended:
                self._ending.append(callback)
                return
        callback()

    def whole(self) -> bytes:
        """All bytes of a body that has ended.

        Raises:
            UnreadableReplyError: it has not, or it broke off.
        """
        if not self.ended or self.error is not None:
            raise UnreadableReplyError(f"the reply is not complete: {self.error!r}")
        return self.so_far()

    def so_far(self) -> bytes:
        """The bytes that have come."""
        return b"".join(self._chunks)

    def _arrived(self, position: int, wake: Callable[[], None]) -> bool:
        """Whether there is something to read at ``position``; if not, ``wake`` is called then."""
        with self._lock:
            if self.ended or position < len(self._chunks):
                return True
            self._waiting.append(wake)
            return False

    def _rest(self, position: int) -> list[bytes]:
        return self._chunks[position:]

    def __iter__(self) -> Iterator[bytes]:
        return self.within(None)

    def within(self, seconds: float | None) -> Iterator[bytes]:
        """The bytes as they come; :class:`ReadTimeout` where none come for so long."""
        position = 0
        while True:
            event = threading.Event()
            if not self._arrived(position, event.set) and not event.wait(seconds):
                raise ReadTimeout("timed out")
            chunks = self._rest(position)
            if not chunks:
                break
            position += len(chunks)
            yield from chunks
        if self.error is not None:
            raise self.error

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.awithin(None)

    async def awithin(self, seconds: float | None) -> AsyncIterator[bytes]:
        """Like :meth:`within`, for asyncio."""
        position = 0
        loop = asyncio.get_running_loop()
        while True:
            arrived = loop.create_future()
            if not self._arrived(position, _waker(loop, arrived)):
                try:
                    async with asyncio.timeout(seconds):
                        await arrived
                except TimeoutError:
                    raise ReadTimeout("") from None
            chunks = self._rest(position)
            if not chunks:
                break
            position += len(chunks)
            for chunk in chunks:
                await asyncio.sleep(0)  # Reading a socket lets other tasks run, too.
                yield chunk
        if self.error is not None:
            raise self.error


def _waker(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> Callable[[], None]:
    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    def wake() -> None:
        with suppress(RuntimeError):  # The reader's loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(resolve)

    return wake


class Reply:
    """A recorded HTTP reply: status line, raw headers, and a body that may still be coming.

    Nothing is decoded on the way: headers and bytes are those of the wire, so a client that
    replays them decodes them as it would have decoded the originals.
    """

    __slots__ = (
        *("__weakref__", "_abandon", "asked", "body", "headers", "http_version", "reason"),
        "status",
    )

    def __init__(
        self,
        status: int,
        headers: RawHeaders,
        body: Body,
        *,
        reason: bytes = b"",
        http_version: bytes = b"HTTP/1.1",
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.reason = reason
        self.http_version = http_version
        self.asked: Mapping[str, Any] | None = None
        """What a reply that was made ahead answers, if it is read with that."""
        self._abandon: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"<Reply {self.status}{'' if self.body.ended else ', arriving'}>"

    def __del__(self) -> None:
        self.abandon()

    def on_abandon(self, stop: Callable[[], None]) -> None:
        """What stops the engine when nobody wants the rest of this reply."""
        self._abandon = stop

    def abandon(self) -> None:
        """Nobody wants the rest: stop the engine. Without effect on a complete reply.

        The SDK closes a stream at its last event; the connection is kept then.
        """
        abandon, self._abandon = self._abandon, None
        if abandon is not None and not self.body.ended and not self.said_done():
            abandon()

    @property
    def elapsed(self) -> float:
        """Seconds from sending the request to the last bytes that have come."""
        return self.body.last - self.body.started

    def said_done(self) -> bool:
        """Whether the last event of an event stream has come; then only the framing is left."""
        decode = decoder(self.header(b"content-encoding"))
        try:
            return decode is not None and decode(self.body.so_far()).rstrip().endswith(_DONE)
        except zlib.error:
            return False

    def header(self, name: bytes) -> bytes | None:
        """The value of the first header of this (lower-case) name."""
        return _header(self.headers, name)

    @property
    def ok(self) -> bool:
        """Whether the status says that the request succeeded."""
        return 200 <= self.status < 300

    def decoded(self) -> bytes:
        """The whole body without its content encoding.

        Raises:
            UnreadableReplyError: it has not ended well, or the encoding is neither gzip nor
                deflate.
        """
        decode = decoder(self.header(b"content-encoding"))
        if decode is None:
            raise UnreadableReplyError(f"cannot decode {self.header(b'content-encoding')!r}")
        return decode(self.body.whole())

    def json(self) -> Any:
        """The body of a plain reply, parsed."""
        return json.loads(self.decoded())

    def text(self) -> str:
        """The answer: content of the first choice, of a plain or a streamed reply.

        Raises:
            UnreadableReplyError: the reply is an error, is not complete, or has no answer.
        """
        from ayo_bridge.engines.openai_http.rebuild import Assembler, answer_of
        from ayo_bridge.engines.openai_http.sse import EventParser

        if not self.ok:
            raise UnreadableReplyError(f"the server replied with status {self.status}")
        raw = self.decoded()
        if (self.header(b"content-type") or b"").startswith(b"text/event-stream"):
            assembler = Assembler()
            for data in EventParser().feed(raw):
                assembler.add(data)
            return assembler.text
        answer = answer_of(json.loads(raw))
        if answer is None:
            raise UnreadableReplyError("the reply has no text")
        return answer

    def usage(self, counts: TokenCounts | None = None) -> Usage | None:
        """Token counts, if the reply has come so far as to say them. Costs a few microseconds."""
        return usage_of(self.headers, [self.body.so_far()], counts) if self.ok else None


def usage_of(
    headers: RawHeaders, chunks: Sequence[bytes], counts: TokenCounts | None = None
) -> Usage | None:
    """Token counts of a reply, plain or streamed, if it says them."""
    counts = counts or _COUNTS
    decode = decoder(_header(headers, b"content-encoding"))
    if decode is None:
        return None
    try:
        raw = decode(b"".join(chunks))
    except zlib.error:
        return None
    # The last one: a stream may say ``null`` before. A quote in the answer would be escaped.
    at = raw.rfind(b'"%s"' % (counts.within or counts.prompt).encode())
    prompt = _number(counts.prompt).search(raw, at) if at >= 0 else None
    if prompt is None:
        return None
    others = (_number(name).search(raw, at) for name in (counts.completion, counts.cached))
    return Usage(int(prompt[1]), *(int(found[1]) if found is not None else 0 for found in others))


_COUNTS = TokenCounts()


@lru_cache(maxsize=64)
def _number(name: str) -> re.Pattern[bytes]:
    return re.compile(rb'"%s"\s*:\s*(\d+)' % re.escape(name).encode())


def _header(headers: RawHeaders, name: bytes) -> bytes | None:
    for key, value in headers:
        if key.lower() == name:
            return value
    return None


def decoder(encoding: bytes | None) -> Callable[[bytes], bytes] | None:
    """What takes a content encoding off, chunk by chunk; ``None`` if we cannot."""
    name = (encoding or b"identity").strip().lower()
    if name == b"identity":
        return lambda chunk: chunk
    if name in (b"gzip", b"x-gzip", b"deflate"):
        return zlib.decompressobj(32 + zlib.MAX_WBITS).decompress
    return None

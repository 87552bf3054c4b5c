"""One connection that speaks HTTP/1.1, and what comes back over it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from ayo_bridge.engines.openai_http.errors import (
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
)

_LONGEST_HEAD = 256 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """Status line and headers as they came; the body is read from ``stream``."""

    status: int
    reason: bytes
    version: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    stream: Stream


class Connection(asyncio.Protocol):
    """One connection; serves one request at a time.

    ``keep`` is called when it waits for its next request; it is in ``opened`` while it is open.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        keep: Callable[[Connection], None],
        opened: set[Connection],
    ) -> None:
        self._loop = loop
        self._keep = keep
        self._opened = opened
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._busy = True
        self._lost: BaseException | None = None
        self._ended = False
        self.buffer = bytearray()
        self.idle_since = 0.0

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._opened.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of a reply; without a request the connection is dropped."""
        if not self._busy:
            self.drop()  # Nothing was asked for.
            return
        self.buffer += data
        self._wake()

    def eof_received(self) -> bool:
        """The server will send nothing more."""
        self._ended = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, on whichever side."""
        self._lost = exc
        self._ended = True
        self._opened.discard(self)
        self._transport = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What a request calls.

    @property
    def usable(self) -> bool:
        """Whether a request can be written."""
        return self._transport is not None and not self._ended

    async def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Speak TLS from here on, with the server of this name.

        Raises:
            OSError: the server hung up, or the two sides do not agree.
        """
        plain = self._transport
        if plain is None or self._ended:
            raise ConnectionResetError("the connection was closed before TLS")
        try:
            self._transport = await self._loop.start_tls(plain, self, context, server_hostname=name)
            if self._transport is None:  # So typed: with an event loop that knows no TLS.
                raise ConnectionResetError("the connection was closed before TLS")
        except BaseException:
            # asyncio tells nobody that it is lost: it is not ours again before the handshake ends.
            plain.abort()
            self._transport = None
            self._ended = True
            self._opened.discard(self)
            raise

    def write(self, data: bytes) -> None:
        """Send bytes; the reply to them is awaited next."""
        assert self._transport is not None
        self._busy = True
        self._transport.write(data)

    def drop(self) -> None:
        """Close the connection; the server notices at once."""
        if self._transport is not None:
            self._transport.abort()

    def release(self, *, keep: bool) -> None:
        """The request is served: wait for the next one, or close."""
        if keep and self.usable and not self.buffer:
            self._busy = False
            self.idle_since = self._loop.time()
            self._keep(self)
        else:
            self.drop()

    async def more(self, timeout: float | None) -> bool:
        """Wait for bytes to be added to the buffer; ``False``: the server has hung up."""
        if self._ended:
            if isinstance(self._lost, Exception):
                raise ReadError(str(self._lost)) from self._lost
            return False
        size = len(self.buffer)
        waiter = self._waiter = self._loop.create_future()
        timer = None if timeout is None else self._loop.call_later(timeout, _time_out, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
        return len(self.buffer) > size or await self.more(timeout)

    async def head(self, timeout: float | None) -> Response:
        """The head of the reply. Interim ones (1xx) are skipped."""
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            while end < 0:
                if len(self.buffer) > _LONGEST_HEAD:
                    raise RemoteProtocolError("the head of the reply has no end")
                if not await self.more(timeout):
                    raise RemoteProtocolError("Server disconnected without sending a response.")
                end = self.buffer.find(b"\r\n\r\n")
            first, *lines = bytes(self.buffer[:end]).split(b"\r\n")
            del self.buffer[: end + 4]
            version, _, rest = first.partition(b" ")
            code, _, reason = rest.partition(b" ")
            if not version.startswith(b"HTTP/1.") or len(code) != 3 or not code.isdigit():
                raise RemoteProtocolError(f"illegal status line: {first!r}")
            status = int(code)
            if 100 <= status < 200:
                continue
            headers = tuple(_header(line) for line in lines)
            return Response(
                status, reason, version, headers, Stream(self, status, version, headers, timeout)
            )


def _time_out(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(ReadTimeout("timed out"))


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name or name != name.strip():
        raise RemoteProtocolError(f"illegal header line: {line!r}")
    return name, value.strip(b" \t")


class Stream:
    """The raw bytes of a reply's body, still encoded if it is; iterated once, then closed."""

    def __init__(
        self,
        connection: Connection,
        status: int,
        version: bytes,
        headers: tuple[tuple[bytes, bytes], ...],
        timeout: float | None,
    ) -> None:
        fields = {name.lower(): value for name, value in headers}
        self._connection: Connection | None = connection
        self._timeout = timeout
        self._chunked = fields.get(b"transfer-encoding", b"").lower().endswith(b"chunked")
        length = fields.get(b"content-length")
        if status in (204, 304):
            self._chunked, length = False, b"0"
        if length is not None and not length.isdigit():
            raise RemoteProtocolError(f"illegal content-length: {length!r}")
        self._length = None if length is None else int(length)
        self._keep = (
            version == b"HTTP/1.1"
            and fields.get(b"connection", b"").lower() != b"close"
            and (self._chunked or length is not None)
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        connection = self._connection
        if connection is None:
            return
        if self._chunked:
            parts = self._chunks(connection)
        elif self._length is not None:
            parts = self._counted(connection, self._length)
        else:
            parts = self._until_the_end(connection)
        async for part in parts:
            yield part
        self._connection = None
        connection.release(keep=self._keep)

    async def aclose(self) -> None:
        """Close the connection, unless the body was read to its end."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    async def _counted(self, connection: Connection, length: int) -> AsyncIterator[bytes]:
        left = length
        while left:
            if not connection.buffer and not await connection.more(self._timeout):
                raise RemoteProtocolError(
                    "peer closed connection without sending complete message body "
                    f"(received {length - left} bytes, expected {length})"
                )
            part = _taken(connection.buffer, left)
            left -= len(part)
            yield part

    async def _until_the_end(self, connection: Connection) -> AsyncIterator[bytes]:
        while connection.buffer or await connection.more(self._timeout):
            yield _taken(connection.buffer, len(connection.buffer))

    async def _chunks(self, connection: Connection) -> AsyncIterator[bytes]:
        while True:
            line = await self._line(connection)
            try:
                left = int(line.partition(b";")[0], 16)
            except ValueError:
                raise RemoteProtocolError(f"illegal chunk header: {line!r}") from None
            if left == 0:
                while await self._line(connection):
                    pass  # Trailers.
                return
            while left:
                if not connection.buffer:
                    await self._more(connection)
                part = _taken(connection.buffer, left)
                left -= len(part)
                yield part
            if await self._line(connection):
                raise RemoteProtocolError("a chunk is longer than it says")

    async def _line(self, connection: Connection) -> bytes:
        buffer = connection.buffer
        end = buffer.find(b"\r\n")
        while end < 0:
            if len(buffer) > _LONGEST_HEAD:
                raise RemoteProtocolError("a chunk header has no end")
            await self._more(connection)
            end = buffer.find(b"\r\n")
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        return line

    async def _more(self, connection: Connection) -> None:
        if not await connection.more(self._timeout):
            raise RemoteProtocolError(
                "peer closed connection without sending complete message body "
                "(incomplete chunked read)"
            )


def _taken(buffer: bytearray, most: int) -> bytes:
    """Take bytes off the front of a buffer."""
    part = bytes(buffer[:most])
    del buffer[:most]
    return part

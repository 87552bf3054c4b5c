"""HTTP/1.1 on asyncio, for the requests that the runtime makes itself.

Every request here is one more next to the original program's, so its cost counts: 4 KB there and
1 KB back take 0.15 ms of CPU time, over httpx's ``AsyncClient`` 0.6 ms. It does what a recording
needs and nothing else: POST, keep-alive, chunked and counted bodies, TLS; no proxies, no
redirects, no decoding.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from ayo_bridge.engines.openai_http.address import Address, address_of
from ayo_bridge.engines.openai_http.errors import (
    ConnectError,
    ConnectTimeout,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
)

# uvicorn, and so vLLM, closes a connection that has been idle for five seconds.
_KEEP_ALIVE_SECONDS = 4.0
_LONGEST_HEAD = 256 * 1024

Timeouts = Mapping[str, float | None]
"""Seconds to ``connect`` and to ``read`` some bytes; ``None`` and what is missing wait forever."""


@dataclass(frozen=True, slots=True)
class Response:
    """Status line and headers as they came; the body is read from ``stream``."""

    status: int
    reason: bytes
    version: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    stream: Stream


class Connections:
    """The connections of one event loop. Any number may be open; idle ones are used again.

    ``tls`` makes the context for https addresses.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext]) -> None:
        self._tls = tls
        self._context: ssl.SSLContext | None = None
        self._idle: defaultdict[tuple[str, int, bool], deque[_Connection]] = defaultdict(deque)
        self._open: set[_Connection] = set()

    async def post(
        self,
        url: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        timeouts: Timeouts,
        way: object = None,
    ) -> Response:
        """Send a request; returns once the headers of its reply are there.

        Cancelling closes the connection.

        Raises:
            TransportError: there was no reply.
        """
        address = address_of(url)
        lines = [b"POST ", address.target, b" HTTP/1.1"]
        names = {n.lower() for n, _ in headers}
        if b"host" not in names:
            lines.append(b"\r\nhost: " + address.host)
        for name, value in headers:
            lines.append(b"\r\n%b: %b" % (name, value))
        if b"content-length" not in names:
            lines.append(b"\r\ncontent-length: %d" % len(body))
        lines.append(b"\r\n\r\n")
        connection = await self._connection(address, timeouts.get("connect"))
        try:
            # One write: headers and body leave in one system call.
            connection.write(b"".join([*lines, body]))
            return await connection.head(timeouts.get("read"))
        except BaseException:
            connection.drop()
            raise

    async def aclose(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            connection.drop()
        await asyncio.sleep(0)  # asyncio closes the sockets in the loop's next round.

    async def _connection(self, address: Address, timeout: float | None) -> _Connection:
        loop = asyncio.get_running_loop()
        idle = self._idle[address.name, address.port, address.tls]
        while idle:
            connection = idle.pop()
            if connection.usable and loop.time() - connection.idle_since < _KEEP_ALIVE_SECONDS:
                return connection
            connection.drop()
        if address.tls and self._context is None:
            self._context = self._tls()
            self._context.set_alpn_protocols(["http/1.1"])
        try:
            async with asyncio.timeout(timeout):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop, idle, self._open),
                    address.name,
                    address.port,
                    ssl=self._context if address.tls else None,
                    happy_eyeballs_delay=address.head_start,
                )
        except TimeoutError as error:
            raise ConnectTimeout(f"no connection to {address.host.decode()}") from error
        except OSError as error:
            raise ConnectError(str(error)) from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection; serves one request at a time."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        idle: deque[_Connection],
        opened: set[_Connection],
    ) -> None:
        self._loop = loop
        self._idle = idle
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
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._opened.add(self)

    def data_received(self, data: bytes) -> None:
        if not self._busy:
            self.drop()  # Nothing was asked for.
            return
        self.buffer += data
        self._wake()

    def eof_received(self) -> bool:
        self._ended = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
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
        return self._transport is not None and not self._ended

    def write(self, data: bytes) -> None:
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
            self._idle.append(self)
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
        connection: _Connection,
        status: int,
        version: bytes,
        headers: tuple[tuple[bytes, bytes], ...],
        timeout: float | None,
    ) -> None:
        fields = {name.lower(): value for name, value in headers}
        self._connection: _Connection | None = connection
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

    async def _counted(self, connection: _Connection, length: int) -> AsyncIterator[bytes]:
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

    async def _until_the_end(self, connection: _Connection) -> AsyncIterator[bytes]:
        while connection.buffer or await connection.more(self._timeout):
            yield _taken(connection.buffer, len(connection.buffer))

    async def _chunks(self, connection: _Connection) -> AsyncIterator[bytes]:
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

    async def _line(self, connection: _Connection) -> bytes:
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

    async def _more(self, connection: _Connection) -> None:
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

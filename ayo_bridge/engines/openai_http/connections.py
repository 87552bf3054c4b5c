"""HTTP/1.1 on asyncio, for the requests that the runtime makes itself.

Every request here is one more next to the original program's, so its cost counts: 4 KB there and
1 KB back take 0.15 ms of CPU time, over httpx's ``AsyncClient`` 0.6 ms. It does what a recording
needs and nothing else: POST, keep-alive, chunked and counted bodies, TLS, and proxies as httpcore
speaks to them (1.0 and httpcore2 2.16 write the same bytes); no redirects, no decoding.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from ayo_bridge.engines.openai_http.address import Address, address_of
from ayo_bridge.engines.openai_http.errors import (
    ConnectError,
    ConnectTimeout,
    ProxyError,
    RemoteProtocolError,
)
from ayo_bridge.engines.openai_http.way import DIRECT, Proxy, Way
from ayo_bridge.engines.openai_http.wire import Connection, Response, Stream

__all__ = ["Connections", "Response", "Stream", "Timeouts"]

# uvicorn, and so vLLM, closes a connection that has been idle for five seconds.
_KEEP_ALIVE_SECONDS = 4.0
_SPARE = 4
"""Connections to one place that stay for so long; more of them are left over from a burst."""
_SPARE_SECONDS = 1.0
"""How long these stay."""

_PAGE = ((b"Accept", b"*/*"), (b"User-Agent", b"ayo-bridge"))

Timeouts = Mapping[str, float | None]
"""Seconds to ``connect`` and to ``read`` some bytes; ``None`` and what is missing wait forever."""

_Place = tuple[str, int, bool, Way]
"""Name, port and TLS of a server, and the way there: connections to one place are alike."""


class Connections:
    """The connections of one event loop. Any number may be open; idle ones are used again.

    ``tls`` makes the context for https addresses to which no other way leads.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext]) -> None:
        self._tls = tls
        self._default: ssl.SSLContext | None = None
        self._idle: dict[_Place, deque[Connection]] = {}
        self._open: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None

    async def post(
        self,
        url: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        timeouts: Timeouts,
        way: Way = DIRECT,
    ) -> Response:
        """Send a request; returns once the headers of its reply are there.

        The headers are written as they are given, in their order (only a ``Host`` goes first, as
        h11 has it under the original's client). A host and a length are added where missing.

        Cancelling closes the connection.

        Raises:
            TransportError: there was no reply.
            ValueError: a header has a line break.
        """
        return await self._ask(b"POST", url, headers, body, timeouts, way)

    async def get(self, url: str, seconds: float) -> Response:
        """Ask for a page, directly and as nobody in particular.

        So many ``seconds`` are waited for a connection, and for some bytes.

        Raises:
            TransportError: there was no reply.
        """
        timeouts = {"connect": seconds, "read": seconds}
        return await self._ask(b"GET", url, _PAGE, b"", timeouts, DIRECT)

    async def _ask(
        self,
        method: bytes,
        url: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        timeouts: Timeouts,
        way: Way,
    ) -> Response:
        address = address_of(url)
        forward = way.proxy is not None and not address.tls
        target = address.target
        if way.proxy is not None and forward:
            target, headers = address.absolute, _merged(way.proxy.headers, headers)
        length = len(body) if method == b"POST" else None
        head = _head(method, target, headers, address.host, length)
        connection = await self._connection(address, way, timeouts)
        try:
            # One write: headers and body leave in one system call.
            connection.write(head + body)
            return await connection.head(timeouts.get("read"))
        except BaseException:
            connection.drop()
            raise

    async def aclose(self) -> None:
        """Close all connections."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._open):
            connection.drop()
        await asyncio.sleep(0)  # asyncio closes the sockets in the loop's next round.

    # Idle ones.

    async def _connection(self, address: Address, way: Way, timeouts: Timeouts) -> Connection:
        oldest = asyncio.get_running_loop().time() - _KEEP_ALIVE_SECONDS
        place = (address.name, address.port, address.tls, way)
        idle = self._idle.get(place)
        while idle:
            connection = idle.pop()
            if connection.usable and connection.idle_since > oldest:
                return connection
            connection.drop()
        return await self._opened(address, way, timeouts, lambda c: self._keep(place, c))

    def _keep(self, place: _Place, connection: Connection) -> None:
        idle = self._idle.get(place)
        if idle is None:
            idle = self._idle[place] = deque()
        idle.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(_SPARE_SECONDS, self._swept)

    def _swept(self) -> None:
        """Close what has idled for long: a way holds its client's TLS context.

        One timer for all: one for each connection would cost each request more.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        for place, idle in list(self._idle.items()):
            while idle:
                seconds = _SPARE_SECONDS if len(idle) > _SPARE else _KEEP_ALIVE_SECONDS
                if idle[0].usable and idle[0].idle_since > now - seconds:
                    break
                idle.popleft().drop()
            if not idle:
                del self._idle[place]
        self._sweep = loop.call_later(_SPARE_SECONDS, self._swept) if self._idle else None

    # New ones.

    async def _opened(
        self, address: Address, way: Way, timeouts: Timeouts, keep: Callable[[Connection], None]
    ) -> Connection:
        if way.proxy is None:
            connection = await self._reached(address, timeouts, keep, way.options)
            if address.tls:
                await self._secured(connection, address, way.context, timeouts)
            return connection
        proxy = address_of(way.proxy.url)
        connection = await self._reached(proxy, timeouts, keep)
        if proxy.tls:
            await self._secured(connection, proxy, way.proxy.context, timeouts)
        if address.tls:
            await _tunnelled(connection, address, way.proxy, timeouts)
            await self._secured(connection, address, way.context, timeouts)
        return connection

    async def _reached(
        self,
        address: Address,
        timeouts: Timeouts,
        keep: Callable[[Connection], None],
        options: Sequence[tuple[object, ...]] = (),
    ) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeouts.get("connect")):
                transport, connection = await loop.create_connection(
                    lambda: Connection(loop, keep, self._open),
                    address.name,
                    address.port,
                    happy_eyeballs_delay=address.head_start,
                )
            if options:
                sock = transport.get_extra_info("socket")
                try:
                    for option in options:
                        sock.setsockopt(*option)
                except BaseException:
                    connection.drop()
                    raise
        except TimeoutError as error:
            raise ConnectTimeout(f"no connection to {address.host.decode()}") from error
        except OSError as error:
            raise ConnectError(str(error)) from error
        return connection

    async def _secured(
        self,
        connection: Connection,
        address: Address,
        context: ssl.SSLContext | None,
        timeouts: Timeouts,
    ) -> None:
        """Speak TLS from here on."""
        if context is None:
            context = self._default = self._default or self._tls()
        # The original's client does the same to its context before each of its connections.
        context.set_alpn_protocols(["http/1.1"])
        try:
            async with asyncio.timeout(timeouts.get("connect")):
                await connection.secure(context, address.name)
        except TimeoutError as error:
            raise ConnectTimeout(f"no connection to {address.host.decode()}") from error
        except OSError as error:
            raise ConnectError(str(error)) from error


async def _tunnelled(
    connection: Connection, address: Address, proxy: Proxy, timeouts: Timeouts
) -> None:
    """Have a proxy connect to the server; what is written from here on goes there."""
    authority = address.authority
    asked = _merged([(b"Host", authority), (b"Accept", b"*/*")], proxy.headers)
    try:
        connection.write(_head(b"CONNECT", authority, asked, authority, None))
        response = await connection.head(timeouts.get("read"))
        if not 200 <= response.status < 300:
            raise ProxyError(f"{response.status} {response.reason.decode('ascii', 'ignore')}")
        if connection.buffer:
            raise RemoteProtocolError("a proxy sent more than the head of its reply to CONNECT")
    except BaseException:
        connection.drop()
        raise


def _merged(
    first: Sequence[tuple[bytes, bytes]], then: Sequence[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """Headers as httpcore's proxies merge them: of equal names those that come later."""
    names = {name.lower() for name, _ in then}
    return [*(header for header in first if header[0].lower() not in names), *then]


def _head(
    method: bytes,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    host: bytes,
    length: int | None,
) -> bytes:
    """The head of a request; looked through as a whole, which is quicker than header by header."""
    lines = [b": ".join(header) for header in headers]
    fields = b"\r\n".join([*lines, b""])
    if fields.count(b"\n") != len(lines) or fields.count(b"\r") != len(lines):
        raise _broken(headers)
    names = b"\n" + fields.lower()
    at = names.find(b"\nhost:")
    if at < 0:
        fields = b"Host: %s\r\n%s" % (host, fields)
    elif at:
        first = lines.pop(names.count(b"\n", 0, at))
        fields = b"\r\n".join([first, *lines, b""])
    if length is not None and b"\ncontent-length:" not in names:
        fields += b"Content-Length: %d\r\n" % length
    return b"%s %s HTTP/1.1\r\n%s\r\n" % (method, target, fields)


def _broken(headers: Sequence[tuple[bytes, bytes]]) -> ValueError:
    for name, value in headers:
        if set(b"\r\n") & {*name, *value}:
            # Without the value: it may be a secret, and errors are shown.
            return ValueError(f"the header {name!r} has a line break")
    raise AssertionError("called where there is one")

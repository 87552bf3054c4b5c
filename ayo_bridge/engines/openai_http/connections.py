"""HTTP/1.1 on asyncio, for the requests that the runtime makes itself.

Every request here is one more next to the original program's, so its cost counts: 4 KB there and
1 KB back take 0.15 ms of CPU time, over httpx's ``AsyncClient`` 0.6 ms. It does what a recording
needs and nothing else: POST, keep-alive, chunked and counted bodies, TLS, HTTP proxies; no
redirects, no decoding.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence

from ayo_bridge.engines.openai_http.address import Address, address_of
from ayo_bridge.engines.openai_http.connection import Connection, Response
from ayo_bridge.engines.openai_http.errors import (
    ConnectError,
    ConnectTimeout,
    ProxyError,
)
from ayo_bridge.engines.openai_http.way import DIRECT, Proxy, Way

# uvicorn, and so vLLM, closes a connection that has been idle for five seconds.
_KEEP_ALIVE_SECONDS = 4.0

Headers = Sequence[tuple[bytes, bytes]]
Timeouts = Mapping[str, float | None]
"""Seconds to ``connect`` and to ``read`` some bytes; ``None`` and what is missing wait forever."""


class Connections:
    """The connections of one event loop. Any number may be open; idle ones are used again.

    ``tls`` makes the context for https addresses, where a way has none of its own.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext]) -> None:
        self._tls = tls
        self._context: ssl.SSLContext | None = None
        self._idle: defaultdict[tuple[str, int, bool, Way], deque[Connection]] = defaultdict(deque)
        self._open: set[Connection] = set()

    async def post(
        self,
        url: str,
        headers: Headers,
        body: bytes,
        timeouts: Timeouts,
        way: Way = DIRECT,
    ) -> Response:
        """Send a request; returns once the headers of its reply are there.

        The headers go out as they are given, ``Host`` first, as h11 has it. What HTTP demands is
        added if it is missing. Cancelling closes the connection.

        Raises:
            TransportError: there was no reply.
            ValueError: a header has a line break in it.
        """
        address = address_of(url)
        target = address.target
        if way.proxy is not None and not address.tls:
            target = b"http://" + address.host + target
            headers = merged(way.proxy.headers, headers)
        request = _written(b"POST", target, address.host, headers, body)
        connection = await self._connection(address, way, timeouts.get("connect"))
        try:
            # One write: headers and body leave in one system call.
            connection.write(request)
            return await connection.head(timeouts.get("read"))
        except BaseException:
            connection.drop()
            raise

    async def aclose(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            connection.drop()
        await asyncio.sleep(0)  # asyncio closes the sockets in the loop's next round.

    async def _connection(self, address: Address, way: Way, timeout: float | None) -> Connection:
        loop = asyncio.get_running_loop()
        idle = self._idle[address.name, address.port, address.tls, way]
        while idle:
            connection = idle.pop()
            if connection.usable and loop.time() - connection.idle_since < _KEEP_ALIVE_SECONDS:
                return connection
            connection.drop()
        try:
            async with asyncio.timeout(timeout):
                if way.proxy is None:
                    return await self._opened(address, address.tls and way.context, idle)
                return await self._through(way.proxy, address, way.context, idle)
        except TimeoutError as error:
            raise ConnectTimeout(f"no connection to {address.host.decode()}") from error
        except OSError as error:
            raise ConnectError(str(error)) from error

    async def _opened(
        self, address: Address, context: ssl.SSLContext | bool | None, idle: deque[Connection]
    ) -> Connection:
        """A new connection; with a ``context`` of ``False`` without TLS."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(loop, idle, self._open),
            address.name,
            address.port,
            ssl=self._secure(context) if address.tls else None,
            happy_eyeballs_delay=address.head_start,
        )
        return connection

    async def _through(
        self,
        proxy: Proxy,
        address: Address,
        context: ssl.SSLContext | None,
        idle: deque[Connection],
    ) -> Connection:
        """A connection to a proxy; what is to be secret goes through a tunnel (httpcore 1)."""
        connection = await self._opened(address_of(proxy.url), proxy.context, idle)
        if not address.tls:
            return connection
        target = f"{address.name}:{address.port}".encode("ascii")
        asked = merged(((b"Host", target), (b"Accept", b"*/*")), proxy.headers)
        try:
            connection.write(_written(b"CONNECT", target, target, asked))
            answer = await connection.head(None)
            if not 200 <= answer.status < 300:
                raise ProxyError(f"{answer.status} {answer.reason.decode('ascii', 'ignore')}")
            await connection.secure(self._secure(context), address.name)
        except BaseException:
            connection.drop()
            raise
        return connection

    def _secure(self, context: ssl.SSLContext | bool | None) -> ssl.SSLContext:
        if not isinstance(context, ssl.SSLContext):
            if self._context is None:
                self._context = self._tls()
            context = self._context
        context.set_alpn_protocols(["http/1.1"])  # As httpcore does, each time.
        return context


def merged(first: Headers, headers: Headers) -> Headers:
    """Both, but of the first ones only those that the others do not have (httpcore 1)."""
    names = {name.lower() for name, _ in headers}
    return (*((name, value) for name, value in first if name.lower() not in names), *headers)


def _written(
    method: bytes, target: bytes, host: bytes, headers: Headers, body: bytes | None = None
) -> bytes:
    """A request as it stands on the wire."""
    lines = [method + b" " + target + b" HTTP/1.1"]
    rest = []
    length = body is not None
    for name, value in headers:
        if b"\n" in value or b"\r" in value:
            raise ValueError(f"the value of the header {name.decode('latin-1')!r} has a line break")
        lower = name.lower()
        if lower == b"host":
            lines.append(name + b": " + value)
        else:
            rest.append(name + b": " + value)
            length = length and lower != b"content-length"
    if len(lines) == 1:
        lines.append(b"Host: " + host)
    if length and body is not None:
        rest.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, *rest, b"", body or b""])

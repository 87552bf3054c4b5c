"""HTTP/1.1 as the stub speaks it: plain, chunked, compressed, or cut off."""

import asyncio
import gzip
import json
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.stub_openai.requests import Cut, StubRequest

if TYPE_CHECKING:
    from tests.stub_openai.server import StubOpenAI

_REASONS = {
    200: "OK",
    307: "Temporary Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Connection(asyncio.Protocol):
    """One connection: its requests come one after another."""

    def __init__(self, stub: "StubOpenAI") -> None:
        self._stub = stub
        self._buffer = b""
        self._request: StubRequest | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._stub.connections.add(self)
        if self._stub.away:
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stub.connections.discard(self)
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._request is not None:
            self._request.aborted = True
            self._stub.abandoned(self)
            self._ended()

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do this after so many seconds, instead of what was to be done later."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._stub.loop.call_later(seconds, what)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._request is None:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            first, *lines = head.decode("latin-1").split("\r\n")
            split = [line.partition(":") for line in lines]
            pairs = tuple((name, value.strip()) for name, _, value in split)
            headers = {name.lower(): value for name, value in pairs}
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            raw, self._buffer = rest[:length], rest[length:]
            method, target, _ = first.split(" ", 2)
            request = StubRequest(method, urlsplit(target).path, headers, raw, time.perf_counter())
            request.target, request.pairs = target, pairs
            if self._transport is not None:
                request.peer = self._transport.get_extra_info("peername")
            self._take(request)

    def _take(self, request: StubRequest) -> None:
        stub = self._stub
        self._request = request
        if request.raw:
            request.body = json.loads(request.raw)
        if stub.keep_log:
            stub.requests.append(request)
        stub.in_flight += 1
        stub.max_in_flight = max(stub.max_in_flight, stub.in_flight)
        stub.respond(request, self)

    def _ended(self) -> None:
        if self._request is not None:
            self._request.ended = time.perf_counter()
            self._request = None
            self._timer = None
            self._stub.in_flight -= 1
            self._stub.served += 1
            self._stub.freed(self)

    def hang_up(self, how: Cut) -> None:
        """Leave the reply as it is. A request that hangs ends when the client goes away."""
        if self._transport is None or how is Cut.HANG:
            return
        if how is Cut.RESET:
            wire = self._transport.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._ended()
        if how is Cut.RESET:
            self._transport.abort()
        else:
            self._transport.close()

    def reply(
        self,
        request: StubRequest,
        status: int,
        content: bytes,
        kind: str = "application/json",
        *,
        headers: Sequence[tuple[str, str]] = (),
        cut: int | None = None,
        how: Cut = Cut.CLOSE,
    ) -> None:
        if self._transport is None:
            return
        extra = list(headers)
        if self._compresses(request):
            content = gzip.compress(content, mtime=0)
            extra.append(("content-encoding", "gzip"))
        request.status = status
        head = _head(
            status, [("content-length", str(len(content))), ("content-type", kind), *extra]
        )
        if cut is not None:
            self._transport.write((head + content[:cut]) if cut else b"")
            self.hang_up(how)
            return
        self._transport.write(head + content)
        self._ended()

    def _compresses(self, request: StubRequest) -> bool:
        return self._stub.compress and "gzip" in request.headers.get("accept-encoding", "")

    def stream(
        self,
        request: StubRequest,
        events: Iterator[bytes],
        headers: Sequence[tuple[str, str]],
        interval: float,
        cut: int | None,
        how: Cut = Cut.CLOSE,
        kind: str = "text/event-stream; charset=utf-8",
    ) -> None:
        if self._transport is None:
            return
        extra = list(headers)
        squeeze = zlib.compressobj(wbits=31) if self._compresses(request) else None
        if squeeze is not None:
            extra.append(("content-encoding", "gzip"))
        request.status = 200
        content_type = ("content-type", kind)
        self._transport.write(_head(200, [content_type, ("transfer-encoding", "chunked"), *extra]))
        sent = 0
        if self._stub.spread:
            all_events = list(events)
            events, interval = iter(all_events), interval / max(1, len(all_events) - 1)
        began = self._stub.loop.time()

        def send() -> None:
            nonlocal sent
            while self._transport is not None:
                if sent == cut:
                    self.hang_up(how)
                    return
                event = next(events, None)
                sent += 1
                data = event or b""
                if squeeze is not None:
                    data = squeeze.compress(data)
                    data += squeeze.flush(zlib.Z_SYNC_FLUSH if event else zlib.Z_FINISH)
                if data:
                    self._transport.write(b"%x\r\n%s\r\n" % (len(data), data))
                if event is None:
                    self._transport.write(b"0\r\n\r\n")
                    self._ended()
                    self.data_received(b"")
                    return
                # By the time since the first one: what a timer is late by does not add up.
                left = began + sent * interval - self._stub.loop.time()
                if left > 0:
                    self.later(left, send)
                    return

        send()


def _head(status: int, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"]
    lines += [
        "date: Thu, 01 Jan 2026 00:00:00 GMT",
        "server: stub",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

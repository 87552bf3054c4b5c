"""HTTP/1.1 for one connection: requests one after another, replies whole or as events.

Standard library only: a user's installation has no server framework.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

from ayo_bridge.serving.emulated.replies import as_json

_LONGEST_HEAD: Final = 64 * 1024
_LONGEST_BODY: Final = 64 * 1024 * 1024
JSON: Final = "application/json"
EVENTS: Final = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Exchange(Protocol):
    """Where a reply goes. After the client has gone everything sent is dropped."""

    def reply(self, status: int, content: bytes, kind: str = JSON) -> None:
        """Send a whole reply."""

    def begin(self, kind: str) -> None:
        """Begin a reply that is sent in parts."""

    def send(self, part: bytes) -> None:
        """Send a part."""

    def end(self) -> None:
        """The last part was sent."""

    def on_gone(self, gone: Callable[[], None]) -> None:
        """Call this if the client goes away before the reply has ended."""


Answering = Callable[[Request, Exchange], None]


class Connection(asyncio.Protocol):
    """One client's connection; ``answering`` is called with each of its requests."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._head: tuple[str, str, dict[str, str], int] | None = None
        self._busy = False
        self._closes = False
        self._headless = False
        """Whether the reply is to have no content: HEAD asks for the rest alone."""
        self._gone: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone away, perhaps in the middle of a reply."""
        self._transport = None
        gone, self._gone = self._gone, None
        if gone is not None:
            gone()

    def data_received(self, data: bytes) -> None:
        """A part of a request, or several."""
        self._buffer += data
        self._next()

    # A request.

    def _next(self) -> None:
        while not self._busy and self._transport is not None:
            if self._head is None and not self._read_head():
                return
            if self._head is None:
                continue
            method, target, headers, length = self._head
            if len(self._buffer) < length:
                return
            body = bytes(self._buffer[:length])
            del self._buffer[:length]
            self._head, self._busy, self._headless = None, True, method == "HEAD"
            try:
                self._answering(Request(method, urlsplit(target).path, headers, body), self)
            except Exception as error:
                self._failed(error)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _LONGEST_HEAD:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return False
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        words = first.split(" ")
        length = headers.get("content-length", "0")
        if len(words) != 3 or not length.isdecimal():
            return self._refuse(HTTPStatus.BAD_REQUEST)
        if "transfer-encoding" in headers:
            return self._refuse(HTTPStatus.LENGTH_REQUIRED)
        if int(length) > _LONGEST_BODY:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._closes = headers.get("connection", "").lower() == "close" or words[2] == "HTTP/1.0"
        if headers.get("expect", "").lower() == "100-continue":
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._head = (words[0], words[1], headers, int(length))
        return True

    def _refuse(self, status: HTTPStatus) -> bool:
        self._closes = self._busy = True
        self.reply(status, as_json({"detail": status.phrase}))
        return False

    def _failed(self, error: Exception) -> None:
        """Say that a request could not be answered, to its client and in the log."""
        asyncio.get_running_loop().call_exception_handler(
            {"message": "a request could not be answered", "exception": error, "protocol": self}
        )
        gone, self._gone = self._gone, None
        if gone is not None:
            gone()
        self._closes = True
        what = {"message": str(error), "type": "InternalServerError", "param": None, "code": 500}
        self.reply(500, as_json({"error": what}))

    # Its reply.

    def reply(self, status: int, content: bytes, kind: str = JSON) -> None:
        """Send a whole reply."""
        head = self._first(status, f"content-length: {len(content)}", kind)
        self._write(head if self._headless else head + content)
        self._ended()

    def begin(self, kind: str) -> None:
        """Begin a reply that is sent in parts."""
        self._write(self._first(HTTPStatus.OK, "transfer-encoding: chunked", kind))

    def send(self, part: bytes) -> None:
        """Send a part."""
        self._write(b"%x\r\n%b\r\n" % (len(part), part))

    def end(self) -> None:
        """The last part was sent."""
        self._write(b"0\r\n\r\n")
        self._ended()

    def on_gone(self, gone: Callable[[], None]) -> None:
        """Call this if the client goes away before the reply has ended."""
        self._gone = gone

    def _first(self, status: int, length: str, kind: str) -> bytes:
        phrase = HTTPStatus(status).phrase
        closing = "connection: close\r\n" if self._closes else ""
        head = f"HTTP/1.1 {int(status)} {phrase}\r\nserver: ayo-bridge emulated\r\n"
        return f"{head}content-type: {kind}\r\n{closing}{length}\r\n\r\n".encode("latin-1")

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _ended(self) -> None:
        self._busy, self._gone = False, None
        if self._closes:
            if self._transport is not None:
                self._transport.close()
                self._transport = None
        elif self._buffer:
            asyncio.get_running_loop().call_soon(self._next)

"""How the body of a reply is framed in HTTP/1.1: put on, and taken off again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from ayo_bridge.engines.openai_http.reply import Reply
from ayo_bridge.engines.openai_http.request import Headers

LAST_CHUNK = b"0\r\n\r\n"


def head_of(reply: Reply) -> bytes:
    """Status line and headers, as they came."""
    lines = [b"%s %d %s" % (reply.http_version, reply.status, reply.reason)]
    lines += [b"%s: %s" % header for header in reply.headers]
    return b"\r\n".join([*lines, b"", b""])


def is_chunked(headers: Headers) -> bool:
    """Whether a body comes in chunks."""
    return any(
        name.lower() == b"transfer-encoding" and value.lower().endswith(b"chunked")
        for name, value in headers
    )


def framed(reply: Reply, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A whole reply as it came over its connection."""
    yield head_of(reply)
    if not is_chunked(tuple(reply.headers)):
        yield from chunks
        return
    for chunk in chunks:
        if chunk:
            yield in_chunk(chunk)
    yield LAST_CHUNK


async def aframed(reply: Reply, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Like :func:`framed`, for asyncio."""
    yield head_of(reply)
    chunked = is_chunked(tuple(reply.headers))
    async for chunk in chunks:
        if chunk:
            yield in_chunk(chunk) if chunked else chunk
    if chunked:
        yield LAST_CHUNK


def in_chunk(data: bytes) -> bytes:
    """Bytes as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Unframed:
    """Takes the framing off the bytes of one reply's body, as they come."""

    __slots__ = ("_chunked", "_left", "_line", "_state", "ended", "until_the_end")

    def __init__(self, headers: Headers) -> None:
        self._chunked = is_chunked(headers)
        lengths = [value for name, value in headers if name.lower() == b"content-length"]
        self._left = int(lengths[0]) if lengths and lengths[0].isdigit() else -1
        self.until_the_end = not self._chunked and self._left < 0
        """Whether the server ends it by hanging up."""
        self._line = b""
        self._state = "size"
        self.ended = not self._chunked and self._left == 0
        """Whether the body is complete, as far as its framing says."""

    def feed(self, data: bytes) -> bytes:
        """What of these bytes is the body's."""
        if self._chunked:
            return b"".join(self._pieces(data))
        if self._left >= 0:
            self._left -= len(data)
            self.ended = self._left <= 0
        return data

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data) and not self.ended:
            if self._state == "data":
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = "end of data"
                yield piece
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                return
            line, self._line = (self._line + data[at:end]).rstrip(b"\r"), b""
            at = end + 1
            self._lined(line)

    def _lined(self, line: bytes) -> None:
        if self._state == "size":
            self._left = int(line.partition(b";")[0], 16)
            self._state = "data" if self._left else "trailer"
        elif self._state == "end of data":
            self._state = "size"
        elif not line:
            self.ended = True

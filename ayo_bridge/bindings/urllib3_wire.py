"""What urllib3 reads replies from: a socket overheard, or a recording in place of one."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import perf_counter
from typing import Any

from ayo_bridge.bindings.framing import Unframed, framed
from ayo_bridge.bindings.http_replies import Player, Watch
from ayo_bridge.engines.openai_http.errors import ReadTimeout, RemoteProtocolError


class Heard:
    """What http.client reads a reply from, overheard."""

    def __init__(self, file: Any, watch: Watch, body: Unframed) -> None:
        self._file = file
        self._watch = watch
        self._body = body

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def _heard(self, read: Callable[..., bytes], *args: Any) -> bytes:
        try:
            data = read(*args)
        except Exception as error:
            self._watch.failed(error)
            raise
        self._passed(data)
        return data

    def _passed(self, data: bytes) -> None:
        try:
            body = self._body.feed(data)
        except ValueError as error:  # It is no HTTP: the library will say so.
            self._watch.failed(error)
            return
        if body:
            self._watch.passed(body)
        if self._body.ended or (not data and self._body.until_the_end):
            self._watch.done()

    def read(self, *args: Any) -> bytes:
        """As the file's own."""
        return self._heard(self._file.read, *args)

    def read1(self, *args: Any) -> bytes:
        """As the file's own."""
        return self._heard(self._file.read1, *args)

    def readline(self, *args: Any) -> bytes:
        """As the file's own."""
        return self._heard(self._file.readline, *args)

    def readinto(self, buffer: Any) -> int:
        """As the file's own."""
        view = memoryview(buffer).cast("B")

        def read() -> bytes:
            return bytes(view[: self._file.readinto(view)])

        return len(self._heard(read))

    def close(self) -> None:
        """Whoever reads has read to the end, or wants no more."""
        try:
            self._file.close()
        finally:
            self._watch.closed()


def connection_of(like: Any, player: Player) -> Any:
    """A connection that leads nowhere, and over which a recorded reply comes back."""
    connection = importlib.import_module("urllib3.connection").HTTPConnection(like.host, like.port)
    connection.sock = _Nowhere(player)
    connection.is_verified = True  # The library would warn.
    return connection


class _Nowhere:
    """What a connection takes for its socket."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def sendall(self, data: Any) -> None:
        """It was sent ahead."""

    def settimeout(self, seconds: float | None) -> None:
        """Replies come with the patience of the original."""

    def shutdown(self, how: int) -> None:
        self._player.closed()

    def close(self) -> None:
        """What is read goes on."""

    def makefile(self, mode: str) -> Any:
        return io.BufferedReader(_Recorded(self._player))


class _Recorded(io.RawIOBase):
    """The bytes of a reply as they would come over a connection."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._chunks: Iterator[bytes] = framed(player.reply, player.chunks())
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = self._next()
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def _next(self) -> bytes:
        start = perf_counter()
        try:
            return next(filter(None, self._chunks), b"")
        except ReadTimeout as error:
            raise TimeoutError(str(error)) from error
        except RemoteProtocolError:
            return b""  # The server has hung up: the library sees what is missing.
        except Exception as error:
            if not self._player.raised(error):
                raise
            raise ConnectionResetError(str(error)) from error
        finally:
            self._player.record.waited += perf_counter() - start

    def close(self) -> None:
        with suppress(Exception):
            self._player.closed()
        super().close()

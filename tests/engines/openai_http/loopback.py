"""Servers and proxies on loopback that keep what they were sent, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_BROKEN = (OSError, asyncio.IncompleteReadError, asyncio.CancelledError)


@dataclass(frozen=True)
class Certificates:
    """A server's certificate for 127.0.0.1 and localhost, and a client's, each its own issuer."""

    server: Path
    client: Path

    def for_server(self, *, client_required: bool = False) -> ssl.SSLContext:
        """What a server uses, that may want to see the client's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server)
        if client_required:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.client)
        return context

    def for_client(self, *, shown: bool = False) -> ssl.SSLContext:
        """What a client uses, that may show its certificate."""
        context = ssl.create_default_context(cafile=str(self.server))
        if shown:
            context.load_cert_chain(self.client)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Certificates of one day, made with the ``openssl`` program."""
    return Certificates(_made(folder / "server.pem"), _made(folder / "client.pem"))


def _made(file: Path) -> Path:
    key = file.with_suffix(".key")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    names = ["-subj", f"/CN={file.stem}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run(
        [*command, *names, "-keyout", str(key), "-out", str(file)], check=True, capture_output=True
    )
    file.write_bytes(key.read_bytes() + file.read_bytes())
    return file


@dataclass
class Listener:
    """Answers connections in a thread of its own; ``seen`` are the requests, head and body."""

    handler: Handler
    tls: ssl.SSLContext | None = None
    port: int = 0
    seen: list[bytes] = field(default_factory=list)
    opened: int = 0
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released for each connection that its client has closed."""

    def taken(self) -> list[bytes]:
        """What was seen since this was asked last."""
        seen, self.seen = self.seen, []
        return seen

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)))
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *raised: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        handling: set[asyncio.Task[None]] = set()

        async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(*_BROKEN):
                await self.handler(reader, writer)
            self.ended.release()

        # Not a coroutine function: a task that is cancelled before its first step runs nothing,
        # and would leave the connection open.
        def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.opened += 1
            task = asyncio.create_task(handled(reader, writer))
            handling.add(task)
            task.add_done_callback(lambda _: writer.transport.abort())

        listening = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=self.tls)
        self.port = listening.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        # What the loop is still accepting is a task of its own, and ends in `handle`; a server
        # that is closed meanwhile has it fail, and leave the connection open.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in handling & others:
                task.cancel()
            await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        listening.close()


async def take(reader: asyncio.StreamReader) -> bytes:
    """One request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    _, found, rest = head.lower().partition(b"content-length: ")
    return head + await reader.readexactly(int(rest.split(b"\r\n")[0]) if found else 0)


@contextlib.contextmanager
def origin(tls: ssl.SSLContext | None = None) -> Iterator[Listener]:
    """A server that answers every request, and keeps the connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            listener.seen.append(await take(reader))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    with Listener(answer, tls) as listener:
        yield listener


@contextlib.contextmanager
def proxy(tls: ssl.SSLContext | None = None, *, refuses: bytes | None = None) -> Iterator[Listener]:
    """A proxy that passes on plain requests and makes tunnels.

    ``refuses`` is the status, with its reason, that it answers to whoever does not say
    ``Basic dXNlcjpwYXNz`` (user and pass).
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await take(reader)
            listener.seen.append(request)
            if refuses is not None and b"Basic dXNlcjpwYXNz" not in request:
                writer.write(b"HTTP/1.1 " + refuses + b"\r\ncontent-length: 0\r\n\r\n")
                continue
            method, target, _ = request.split(b" ", 2)
            where = target if method == b"CONNECT" else target.split(b"/")[2]
            host, _, port = where.rpartition(b":")
            theirs, ours = await asyncio.open_connection(host.decode(), int(port))
            if method == b"CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                ours.write(request)
            back = asyncio.create_task(_pipe(theirs, writer))
            try:
                if method == b"CONNECT":
                    await _pipe(reader, ours)
                    return
                while True:
                    request = await take(reader)
                    listener.seen.append(request)
                    ours.write(request)
            finally:
                back.cancel()
                ours.close()

    with Listener(answer, tls) as listener:
        yield listener


@contextlib.contextmanager
def silent(after: bytes = b"") -> Iterator[Listener]:
    """Answers ``after`` to the first bytes, if it is anything, and then nothing more."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(65536):
            listener.seen.append(part)
            if after and len(listener.seen) == 1:
                writer.write(after)

    with Listener(answer) as listener:
        yield listener


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(65536):
            writer.write(part)

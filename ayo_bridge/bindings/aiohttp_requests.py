"""The boundary of what is asked over aiohttp: the innermost middleware of a session.

Everything above it runs as it always does: cookies, authentication, redirects, time-outs, the
middlewares of the user. A reply made ahead comes over a connection that leads nowhere, and is
parsed by the library.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache, partial
from time import perf_counter
from typing import Any, Final

from ayo_bridge.bindings.aiohttp_replicas import headers_of, moved, unreached, why_stays
from ayo_bridge.bindings.aiohttp_way import still_of, way_of
from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.bindings.endpoints import Addressed, addressed
from ayo_bridge.bindings.framing import aframed
from ayo_bridge.bindings.http_exchange import Exchange
from ayo_bridge.bindings.http_replies import Head, Player, Watch
from ayo_bridge.bindings.http_senders import Sender, sender_by
from ayo_bridge.engines.openai_http.errors import RemoteProtocolError
from ayo_bridge.engines.openai_http.request import Headers
from ayo_bridge.engines.openai_http.way import Way
from ayo_bridge.seam import Scope, Sending, current_scope

_Send = Callable[[Any], Coroutine[Any, Any, Any]]
_recorded: ContextVar[tuple[Any, Player] | None] = ContextVar("ayo_bridge_recorded", default=None)
"""The request whose connection is to lead nowhere, and the reply that comes over it."""


class AiohttpAsked:
    """A request that a session is asked to make. ``own``: no middleware has worked on it."""

    __slots__ = ("_own", "_timeout", "_way", "request", "session")

    def __init__(self, session: Any, request: Any, timeout: Any, *, own: bool) -> None:
        self.request = request
        self.session = session
        self._timeout = timeout
        self._own = own
        self._way: Way | str | None = None

    @property
    def place(self) -> Hashable:
        """Its address: it is hashed once."""
        place: Hashable = self.request.url
        return place

    @property
    def url(self) -> str:
        """Where it goes."""
        return str(self.request.url)

    @property
    def content(self) -> bytes | None:
        """Its body; ``None``: that streams."""
        body = self.request.body
        if isinstance(body, importlib.import_module("aiohttp").BytesPayload):
            body = body._value
        return body if isinstance(body, bytes) else None

    @property
    def connect(self) -> float | None:
        """Seconds that a connection may take."""
        seconds: float | None = self._timeout.sock_connect
        return seconds

    @property
    def read(self) -> float | None:
        """Never: sessions that count seconds of silence are left alone, others mind their own."""
        return None

    def agent(self) -> str:
        """Its ``User-Agent``."""
        agent: str = self.request.headers.get("User-Agent", "")
        return agent

    def headers(self) -> Headers:
        """As they stand on the wire."""
        return headers_of(self.request)

    def way(self) -> Way | str:
        """How it leaves; a string is the reason why requests of ours cannot leave alike."""
        if self._way is None:
            # It cannot be shortened by what was waited for work ahead.
            silent = self._timeout.sock_read is not None
            counts = "its time-out counts seconds of silence"
            self._way = counts if silent else way_of(self.session, self.request)
        return self._way

    def sender(self) -> Sender | str:
        """By whom it is sent; a string is why nobody could send another one so."""
        content, way, url = self.content, self.way(), self.request.url
        if isinstance(way, str):
            return way
        if not self._own:
            return "its session has middlewares"
        if content is None:
            return "its body streams"
        server = str(url.origin())
        still = still_of(self.session, server)
        if still is None:
            return "its session keeps cookies in a way of its own"
        return sender_by(server, self.headers(), content, way, self.connect, still)


class AiohttpExchange(Exchange):
    """One request that a session makes. ``send`` sends it; ``plain``: replies are decoded."""

    def __init__(
        self, scope: Scope, call: Addressed, asked: AiohttpAsked, send: _Send, *, decoded: bool
    ) -> None:
        super().__init__(scope, call, asked)
        self._request = self._outgoing = asked.request
        self._session = asked.session
        self._send = send
        self._decoded = decoded
        self._repeatable = asked.content is not None

    async def sent(self) -> Any:
        """Make the request; returns the response."""
        response = await self._send(self._outgoing)
        if self._outgoing is not self._request:
            response._request_info = self._request.request_info
        return response

    def _stays(self) -> str | None:
        return why_stays(self._session, self._request)

    def _goes(self, sending: Sending | None) -> None:
        self._outgoing = self._request
        if sending is not None:
            self._outgoing = moved(self._request, self._asked.content or b"", sending)

    def _unreached(self, error: Exception) -> bool:
        return isinstance(error, unreached())

    def _compare(self) -> None:
        """No SDK sends these."""

    def _shorten(self, waited: float) -> None:
        """Its own time has gone on meanwhile."""

    def _timed_out(self, awaited: bool) -> Exception:
        kind = importlib.import_module("aiohttp").SocketTimeoutError
        error: Exception = kind("Timeout on reading data from socket")
        return error

    def _status(self, response: Any) -> int:
        status: int = response.status
        return status

    def _head(self, response: Any) -> Head:
        headers: Headers = tuple(response.raw_headers)
        if self._decoded:
            headers = tuple(each for each in headers if each[0].lower() != b"content-encoding")
        version = response.version
        return Head(
            *(response.status, headers, (response.reason or "").encode()),
            b"HTTP/%d.%d" % (version.major, version.minor),
        )

    def _watched(self, response: Any, watch: Watch, awaited: bool) -> Any:
        content, reader = response.content, importlib.import_module("aiohttp").StreamReader
        if type(content) is not reader:  # There is nothing to read.
            watch.done()
            return response
        for data in content._buffer:
            watch.passed(data)
        if content.is_eof():
            watch.done()
        else:
            _heard[id(content)] = watch
            content.__class__ = _heard_reader()
        return response

    async def _areplayed(self, player: Player) -> Any:
        token = _recorded.set((self._request, player))
        try:
            return await self._send(self._request)
        finally:
            _recorded.reset(token)

    async def _agive_back(self, response: Any) -> None:
        response.release()


_heard: Final[dict[int, Watch]] = {}
"""Who notes what a reader gets, by the reader: it has no place for anything of ours."""


@lru_cache(maxsize=1)
def _heard_reader() -> type[Any]:
    """A reader of the library, overheard."""
    base: Any = importlib.import_module("aiohttp").StreamReader

    class Heard(base):  # type: ignore[misc]
        __slots__ = ()

        def feed_data(self, data: bytes, *args: Any) -> Any:
            watch = _heard.get(id(self))
            if watch is not None:
                watch.passed(data)
            return super().feed_data(data, *args)

        def feed_eof(self) -> None:
            watch = _heard.pop(id(self), None)
            if watch is not None:
                watch.done()
            super().feed_eof()

        def set_exception(self, exc: BaseException, *args: Any) -> None:
            watch = _heard.pop(id(self), None)
            if watch is not None:
                watch.failed(exc)
            super().set_exception(exc, *args)

        def __del__(self) -> None:
            watch = _heard.pop(id(self), None)
            if watch is not None:
                watch.closed()

    Heard.__name__, Heard.__qualname__ = base.__name__, base.__qualname__
    return Heard


class _Nowhere(asyncio.Transport):
    """What a connection takes for its socket: a recorded reply comes back over it."""

    def __init__(self, protocol: Any, player: Player) -> None:
        super().__init__()
        self._protocol = protocol
        self._player = player
        self._reading = asyncio.Event()
        self._reading.set()
        self._closed = self._delivering = False
        self._feeding = asyncio.ensure_future(self._fed())

    async def _fed(self) -> None:
        error: Exception | None = None
        chunks = aframed(self._player.reply, self._player.achunks())
        try:
            while not self._closed and (data := await self._next(chunks)) is not None:
                await self._reading.wait()
                self._delivering = True  # The last bytes close the connection.
                self._protocol.data_received(data)
                self._delivering = False
        except RemoteProtocolError:
            pass  # The server has hung up: the library sees what is missing.
        except Exception as failure:
            error = ConnectionResetError(str(failure))
        if not self._closed:
            self._protocol.connection_lost(error)

    async def _next(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        start = perf_counter()
        data = await anext(chunks, None)
        self._player.record.waited += perf_counter() - start
        return data

    def write(self, data: Any) -> None:
        """It was sent ahead."""

    def writelines(self, list_of_data: Any) -> None:
        """It was sent ahead."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self._closed

    def pause_reading(self) -> None:
        self._reading.clear()

    def resume_reading(self) -> None:
        self._reading.set()

    def abort(self) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        if not self._delivering:
            self._feeding.cancel()
        self._player.closed()

    def __del__(self) -> None:
        with suppress(Exception):
            self._player.closed()


@lru_cache(maxsize=1)
def _handler() -> type[Any]:
    """A protocol of the library whose connection nobody uses again."""
    base: Any = importlib.import_module("aiohttp.client_proto").ResponseHandler

    class Once(base):  # type: ignore[misc]
        should_close = True

    return Once


async def _connected(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    recorded = _recorded.get()
    request = args[0] if args else kwargs.get("req")
    if recorded is None or recorded[0] is not request:
        return await wrapped(*args, **kwargs)
    loop = asyncio.get_running_loop()
    protocol = _handler()(loop=loop)
    protocol.connection_made(_Nowhere(protocol, recorded[1]))
    instance._acquired.add(protocol)  # It is closed with the others.
    kind = importlib.import_module("aiohttp.connector").Connection
    return kind(instance, request.connection_key, protocol, loop)


def _requested(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The wrapper of ``ClientSession._request``."""
    scope = current_scope()
    if scope is None:
        return wrapped(*args, **kwargs)
    given = kwargs.get("middlewares")
    given = tuple(instance._middlewares if given is None else given)
    timeout, kind = kwargs.get("timeout"), importlib.import_module("aiohttp").ClientTimeout
    decoded = kwargs.get("auto_decompress")
    passed = partial(
        _passed,
        *(scope, instance),
        timeout=timeout if isinstance(timeout, kind) else instance.timeout,
        own=not given,
        decoded=instance.auto_decompress if decoded is None else decoded,
    )
    return wrapped(*args, **{**kwargs, "middlewares": (*given, passed)})


async def _passed(
    scope: Scope, session: Any, request: Any, send: _Send, *, timeout: Any, own: bool, decoded: bool
) -> Any:
    """The innermost middleware."""
    asked = AiohttpAsked(session, request, timeout, own=own)
    call = None
    if not scope.closed and request.method == "POST":
        call = addressed(asked, scope.runtime)
    if call is None:
        scope.touches(f"{request.url.host} is asked over HTTP")
        return await send(request)
    exchange = AiohttpExchange(scope, call, asked, send, decoded=bool(decoded))
    return await exchange.arun(exchange.sent)


AIOHTTP: Final = Binding(
    name="engines over aiohttp",
    distribution="aiohttp",
    tested=("3.12", "4"),
    targets=(
        Target("aiohttp.client", "ClientSession._request", _requested),
        Target("aiohttp.connector", "BaseConnector.connect", _connected),
    ),
)

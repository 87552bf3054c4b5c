"""The boundary of what is asked over requests and urllib3: where a pool makes one request.

``HTTPConnectionPool._make_request`` lies below all that requests and urllib3 do for their callers:
sessions, adapters, hooks, cookies, redirects, retries, the mapping of errors. A reply made ahead is
handed to that very method over a connection that leads nowhere, and is parsed by the library.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from ayo_bridge.bindings.binding import Binding, Target
from ayo_bridge.bindings.endpoints import Addressed, addressed
from ayo_bridge.bindings.framing import Unframed
from ayo_bridge.bindings.http_exchange import Exchange
from ayo_bridge.bindings.http_replies import Head, Player, Watch
from ayo_bridge.bindings.http_senders import Sender, sender_by
from ayo_bridge.bindings.requests_senders import prepare_auth, send, session_of, still_of
from ayo_bridge.bindings.urllib3_replicas import (
    encoded,
    headers_of,
    made_at,
    unreached,
    why_stays,
)
from ayo_bridge.bindings.urllib3_way import way_of
from ayo_bridge.bindings.urllib3_wire import Heard, connection_of
from ayo_bridge.engines.openai_http.address import address_of
from ayo_bridge.engines.openai_http.request import Headers
from ayo_bridge.engines.openai_http.sent import patient, with_length
from ayo_bridge.engines.openai_http.way import Way
from ayo_bridge.seam import Scope, Sending, current_scope

_PARAMETERS: Final = ("conn", "method", "url", "body", "headers", "retries", "timeout", "chunked")
"""Of ``_make_request``, in urllib3 2.0 to 2.8; all others are passed by name."""


class Urllib3Asked:
    """A request that a pool is asked to make."""

    __slots__ = ("_headers", "_way", "arguments", "pool")

    def __init__(self, pool: Any, arguments: dict[str, Any]) -> None:
        self.pool = pool
        self.arguments = arguments
        self._way: Way | str | None = None
        self._headers: Headers | None = None

    @property
    def place(self) -> Hashable:
        """The parts of its address."""
        pool = self.pool
        return pool.scheme, pool.host, pool.port, self.arguments["url"]

    @property
    def url(self) -> str:
        """Where it goes; to a proxy it is written as a whole."""
        target: str = self.arguments["url"]
        return target if target.startswith("http") else f"{self._server}{target}"

    @property
    def _server(self) -> str:
        pool = self.pool
        host = f"[{pool.host}]" if ":" in pool.host and pool.host[0] != "[" else pool.host
        return f"{pool.scheme}://{host}" + (f":{pool.port}" if pool.port else "")

    @property
    def content(self) -> bytes | None:
        """Its body; ``None``: that streams."""
        body = self.arguments.get("body")
        if self.arguments.get("chunked") or not isinstance(body, str | bytes):
            return None
        return body.encode() if isinstance(body, str) else body

    @property
    def connect(self) -> float | None:
        """Seconds that a connection may take."""
        timeout = self._timeout()
        return _seconds(timeout, timeout.connect_timeout)

    @property
    def read(self) -> float | None:
        """Seconds of silence after which the library gives up."""
        timeout = self._timeout()
        return _seconds(timeout, timeout.read_timeout)

    def _timeout(self) -> Any:
        timeout = self.pool._get_timeout(self.arguments.get("timeout"))
        timeout.start_connect()
        return timeout

    def agent(self) -> str:
        """Its ``User-Agent``."""
        named = (value for name, value in self.headers() if name.lower() == b"user-agent")
        return next(named, b"").decode("latin-1")

    def headers(self) -> Headers:
        """As they stand on the wire: what the connection adds comes first."""
        if self._headers is None:
            self._headers = self._written()
        return self._headers

    def _written(self) -> Headers:
        conn, content = self.arguments["conn"], self.content or b""
        given = headers_of(self.arguments.get("headers"))
        names = {name.lower() for name, _ in given}
        added: list[tuple[bytes, bytes]] = []
        if b"host" not in names:
            added.append((b"Host", self._host(conn)))
        if b"accept-encoding" not in names:
            added.append((b"Accept-Encoding", b"identity"))
        if b"content-length" not in names:
            added.append((b"Content-Length", b"%d" % len(content)))
        if b"user-agent" not in names:
            agent = importlib.import_module("urllib3.connection")._get_default_user_agent()
            added.append((b"User-Agent", encoded(agent)))
        return (*added, *given)

    def _host(self, conn: Any) -> bytes:
        """As http.client writes it."""
        if self.arguments["url"].startswith("http"):
            return address_of(self.url).host
        host = f"[{conn.host}]" if ":" in conn.host else conn.host
        return encoded(host if conn.port == conn.default_port else f"{host}:{conn.port}")

    def way(self) -> Way | str:
        """How it leaves; a string is the reason why requests of ours cannot leave alike."""
        if self._way is None:
            self._way = self._found()
        return self._way

    def _found(self) -> Way | str:
        if not _is_plain(self.arguments):
            return "its headers or its body are of a form of their own"
        try:
            address = address_of(self.url)
        except (ValueError, OSError) as error:
            return f"its address is unknown: {type(error).__name__}"
        target = self.arguments["url"].encode()
        if target not in (address.target, address.absolute):
            return "its address is written in a way of its own"
        return way_of(self.pool)

    def sender(self) -> Sender | str:
        """By whom it is sent; a string is why nobody could send another one so."""
        content, way = self.content, self.way()
        if isinstance(way, str):
            return way
        if content is None:
            return "its body streams"
        session = session_of(self.arguments.get("body"))
        if isinstance(session, str):
            return session
        scheme, _, rest = self.url.partition("://")
        server = f"{scheme}://{rest.partition('/')[0]}"
        return sender_by(server, self.headers(), content, way, self.connect, still_of(session))


def _is_plain(arguments: Mapping[str, Any]) -> bool:
    """Whether all headers are texts or bytes, each sent as it is."""
    headers = arguments.get("headers") or {}
    skip = importlib.import_module("urllib3.util").SKIP_HEADER
    names = {encoded(name).lower() for name in headers if isinstance(name, str | bytes)}
    return (
        len(names) == len(headers)
        and b"transfer-encoding" not in names
        and all(isinstance(value, str | bytes) and value != skip for value in headers.values())
        and str(arguments["url"]).isascii()
    )


def _seconds(timeout: Any, found: Any) -> float | None:
    seconds: float | None = timeout.resolve_default_timeout(found)
    return seconds


class Urllib3Exchange(Exchange):
    """One request that a pool makes; ``make`` is its method."""

    def __init__(
        self, scope: Scope, call: Addressed, asked: Urllib3Asked, make: Callable[..., Any]
    ) -> None:
        super().__init__(scope, call, asked)
        self._pool = asked.pool
        self._arguments = asked.arguments
        self._make = make
        self._sending: Sending | None = None
        # Closing the connection would forget that it is a tunnel.
        self._repeatable = asked.content is not None and asked.pool.proxy is None

    def sent(self) -> Any:
        """Make the request; returns the response."""
        sending, arguments = self._sending, self._arguments
        if sending is not None:
            given, content = headers_of(arguments.get("headers")), self._asked.content or b""
            body = sending.content(content)
            headers = sending.headers(with_length(given, body))
            if body is not content:
                arguments = {**arguments, "body": body}
            if headers is not given:
                said = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
                arguments = {**arguments, "headers": said}
        if sending is None:
            return self._make(**arguments)
        if not sending.own:
            make, url = self._make.__func__, sending.url(self._asked.url)  # type: ignore[attr-defined]
            return made_at(self._pool, url, make, arguments, self._patience(sending))
        try:
            return self._make(**arguments)
        except BaseException:
            arguments["conn"].close()  # Another try would go on where this one has failed.
            raise

    def _patience(self, sending: Sending) -> Any:
        asked = self._asked
        kind = importlib.import_module("urllib3.util").Timeout
        return kind(connect=patient(sending, asked.connect), read=asked.read)

    def _stays(self) -> str | None:
        if not _is_plain(self._arguments):
            return "its headers or its body are of a form of their own"
        return why_stays(self._pool)

    def _goes(self, sending: Sending | None) -> None:
        self._sending = sending

    def _unreached(self, error: Exception) -> bool:
        return isinstance(error, unreached())

    def _compare(self) -> None:
        """No SDK sends these."""

    def _shorten(self, waited: float) -> None:
        asked = self._asked
        kind = importlib.import_module("urllib3.util").Timeout
        left = (
            None if seconds is None else max(seconds - waited, 0.001)
            for seconds in (asked.connect, asked.read)
        )
        self._arguments["timeout"] = kind(*(None, *left))

    def _timed_out(self, awaited: bool) -> Exception:
        kind = importlib.import_module("urllib3.exceptions").ReadTimeoutError
        said = f"Read timed out. (read timeout={self._asked.read})"
        error: Exception = kind(self._pool, self._arguments["url"], said)
        return error

    def _status(self, response: Any) -> int:
        status: int = response.status
        return status

    def _head(self, response: Any) -> Head:
        headers = tuple((encoded(n), encoded(v)) for n, v in response.headers.iteritems())
        if self._decoded:
            headers = tuple(each for each in headers if each[0].lower() != b"content-encoding")
        version = b"HTTP/%d.%d" % divmod(response.version or 11, 10)
        return Head(response.status, headers, encoded(response.reason or ""), version)

    @property
    def _decoded(self) -> bool:
        """Whether the library reads a reply at once, and takes its encoding off."""
        return bool(
            self._arguments.get("preload_content", True)
            and self._arguments.get("decode_content", True)
        )

    def _watched(self, response: Any, watch: Watch, awaited: bool) -> Any:
        if response._pool is not self._pool and self._arguments.get("response_conn") is not None:
            # The response has a connection there: the one that it was to have is free.
            self._pool._put_conn(self._arguments["conn"])
        original = response._original_response
        file = None if original is None else original.fp
        if self._arguments.get("preload_content", True):
            watch.passed(response.data)
            watch.done()
        elif file is None:  # There is nothing to read.
            watch.done()
        else:
            original.fp = Heard(file, watch, Unframed(self._head(response).headers))
        return response

    def _replayed(self, player: Player) -> Any:
        nowhere = connection_of(self._arguments["conn"], player)
        return self._make(**{**self._arguments, "conn": nowhere})

    def _give_back(self, response: Any) -> None:
        if response._pool is self._pool:
            response._connection = None  # It would go back to the pool, for others to use.
        response.drain_conn()


def _made(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The wrapper of ``HTTPConnectionPool._make_request``."""
    scope = current_scope()
    if scope is None:
        return wrapped(*args, **kwargs)
    if len(args) > len(_PARAMETERS):
        return wrapped(*args, **kwargs)
    arguments = {**dict(zip(_PARAMETERS, args, strict=False)), **kwargs}
    asked = Urllib3Asked(instance, arguments)
    call = addressed(asked, scope.runtime) if arguments.get("method") == "POST" else None
    if call is None:
        scope.touches(f"{instance.host} is asked over HTTP")
        return wrapped(*args, **kwargs)
    exchange = Urllib3Exchange(scope, call, asked, wrapped)
    return exchange.run(exchange.sent)


URLLIB3: Final = Binding(
    name="engines over urllib3",
    distribution="urllib3",
    tested=("2", "3"),
    targets=(Target("urllib3.connectionpool", "HTTPConnectionPool._make_request", _made),),
)
REQUESTS: Final = Binding(
    name="engines over requests",
    distribution="requests",
    tested=("2.31", "3"),
    targets=(
        Target("requests.sessions", "Session.send", send),
        Target("requests.models", "PreparedRequest.prepare_auth", prepare_auth),
    ),
)
BINDINGS: Final = (URLLIB3, REQUESTS)
"""Both see a request of requests: the one what it is, the other by whom it is sent."""

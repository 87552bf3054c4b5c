"""Requests of plain httpx and httpx2 clients, however short they live.

Many libraries have no SDK: they post a JSON object, some with a client of its own for each call.
Who asks is then what a request says: the server, all of its headers, the way it leaves. Requests
that are alike in these have one *sender*, and what it sends ahead has the very headers of what it
has sent. As long as the client is there it is asked whether it would still send those.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from ayo_bridge.bindings.http_client import way_of
from ayo_bridge.bindings.http_requests import CannotBuildError, address
from ayo_bridge.engines.openai_http.request import Headers, LLMRequest, identity
from ayo_bridge.engines.openai_http.way import Way
from ayo_bridge.seam import current_scope

_MOST: Final = 256
_LENGTH: Final = b"content-length"
_TRAVELS: Final = frozenset({_LENGTH, b"connection", b"accept-encoding"})
Encode = Callable[[Any], bytes]


def _compact(value: Any) -> bytes:
    """As httpx writes JSON from 0.28 on."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return written.encode()


def _spaced(value: Any) -> bytes:
    """As httpx before that, and many who write it themselves."""
    return json.dumps(value).encode()


class Sender:
    """All that equal requests are sent by. One object for equal ones, as long as it is known.

    Args:
        server: scheme, host and port.
        headers: as they stand on the wire, in order.
        way: how they leave.
        encode: writes their bodies.
        connect: seconds.
    """

    __slots__ = ("__weakref__", "_adds", "_client", "connect", "encode", "headers", "server", "way")

    def __init__(
        self, server: str, headers: Headers, way: Way, encode: Encode, connect: float | None
    ) -> None:
        self.server = server
        self.headers = headers
        self.way = way
        self.encode = encode
        self.connect = connect
        self._client: Callable[[], Any] = lambda: None
        self._adds: Headers = ()

    def used(self, client: Any) -> None:
        """This client has sent a request so."""
        self._client = weakref.ref(client)
        self._adds = self._added(client)

    def request(self, url: str, body: Mapping[str, Any]) -> LLMRequest:
        """What leaves when this body is sent so, to an address of the server.

        Raises:
            CannotBuildError: its client would not send it so any more.
        """
        client = self._client()
        if client is not None and not client.is_closed:
            way = way_of(client, url)
            if way != self.way:
                other = "its client goes another way by now"
                raise CannotBuildError(way if isinstance(way, str) else other)
            if self._added(client) != self._adds:
                raise CannotBuildError("the headers of its client have been changed")
        content = self.encode(body)
        length = b"%d" % len(content)
        headers = tuple(
            (name, length if name.lower() == _LENGTH else value) for name, value in self.headers
        )
        return LLMRequest(url, headers, content, self.connect, way=self.way)

    def _added(self, client: Any) -> Headers:
        """What a client adds to each of its requests: its headers and cookies."""
        return identity(tuple(client.build_request("POST", self.server).headers.raw))


_current: ContextVar[tuple[Any, Any] | None] = ContextVar("ayo_bridge_sender", default=None)
"""The client whose request is on its way to the transport, and that request."""
_known: OrderedDict[Hashable, Sender] = OrderedDict()
_lock = threading.Lock()


def sender_of(request: Any) -> Sender | None:
    """By whom a plain client sends this request; ``None``: nobody could send another one so."""
    known = _current.get()
    if known is None or known[1] is not request:  # One that follows a redirect is another.
        return None
    client, _ = known
    url, content = address(request), getattr(request, "_content", None)
    way = way_of(client, url)
    if isinstance(way, str) or not isinstance(content, bytes):
        return None
    encode = _encoder(content)
    if encode is None:
        return None
    asked = identity(tuple(request.headers.raw))
    server = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
    key = server, asked, way, encode
    with _lock:
        sender = _known.pop(key, None)
        if sender is None:
            connect = request.extensions.get("timeout", {}).get("connect")
            # A trace that the request belongs to is its own.
            kept = {name for name, _ in asked} | _TRAVELS
            headers = tuple(h for h in request.headers.raw if h[0].lower() in kept)
            sender = Sender(server, headers, way, encode, connect)
        _known[key] = sender
        if len(_known) > _MOST:
            _known.popitem(last=False)
    sender.used(client)
    return sender


def _encoder(content: bytes) -> Encode | None:
    """What wrote a body; ``None``: it is not known."""
    try:
        value = json.loads(content)
        return next((write for write in (_compact, _spaced) if write(value) == content), None)
    except ValueError:
        return None


def _as_ever(options: Mapping[str, Any]) -> bool:
    """Whether a request is authenticated as all of its client are."""
    return "auth" not in options or type(options["auth"]).__name__ == "UseClientDefault"


def send(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The wrapper of ``Client.send``: the transport is to know by whom it is asked."""
    if current_scope() is None or not _as_ever(kwargs):
        return wrapped(*args, **kwargs)
    token = _current.set((instance, args[0] if args else kwargs.get("request")))
    try:
        return wrapped(*args, **kwargs)
    finally:
        _current.reset(token)


async def asend(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The wrapper of ``AsyncClient.send``."""
    if current_scope() is None or not _as_ever(kwargs):
        return await wrapped(*args, **kwargs)
    token = _current.set((instance, args[0] if args else kwargs.get("request")))
    try:
        return await wrapped(*args, **kwargs)
    finally:
        _current.reset(token)

"""By whom requests of plain HTTP clients are sent, however short these live.

Many libraries have no SDK: they post a JSON object, some with a client of its own for each call.
Who asks is then what a request says: the server, all of its headers, the way it leaves. Requests
that are alike in these have one *sender*, and what it sends ahead has the very headers of what it
has sent. As long as the client is there it is asked whether it would still send those.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from ayo_bridge.engines.openai_http.request import Headers, LLMRequest, identity
from ayo_bridge.engines.openai_http.way import Way

_MOST: Final = 256
_LENGTH: Final = b"content-length"
_TRAVELS: Final = frozenset({_LENGTH, b"connection", b"accept-encoding"})
Encode = Callable[[Any], bytes]
Still = Callable[[str], str | None]
"""Asked with an address: why a client would not send such a request there any more."""


class CannotBuildError(ValueError):
    """A request cannot be made ahead as its client would send it; the message says why."""


def _compact(value: Any) -> bytes:
    """As httpx writes JSON from 0.28 on, and urllib3."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return written.encode()


def _spaced(value: Any) -> bytes:
    """As httpx before that, requests, aiohttp, and many who write it themselves."""
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

    __slots__ = ("__weakref__", "connect", "encode", "headers", "server", "still", "way")

    def __init__(
        self, server: str, headers: Headers, way: Way, encode: Encode, connect: float | None
    ) -> None:
        self.server = server
        self.headers = headers
        self.way = way
        self.encode = encode
        self.connect = connect
        self.still: Still = lambda url: None

    def request(self, url: str, body: Mapping[str, Any]) -> LLMRequest:
        """What leaves when this body is sent so, to an address of the server.

        Raises:
            CannotBuildError: its client would not send it so any more.
        """
        reason = self.still(url)
        if reason is not None:
            raise CannotBuildError(reason)
        content = self.encode(body)
        length = b"%d" % len(content)
        headers = tuple(
            (name, length if name.lower() == _LENGTH else value) for name, value in self.headers
        )
        return LLMRequest(url, headers, content, self.connect, way=self.way)


class LeftAlone:
    """By whom requests are sent that nobody could send alike, for one reason."""

    __slots__ = ("__weakref__", "reason")

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def request(self, url: str, body: Mapping[str, Any]) -> LLMRequest:
        """Nothing leaves.

        Raises:
            CannotBuildError: always, with the reason.
        """
        raise CannotBuildError(self.reason)


_known: OrderedDict[Hashable, Sender] = OrderedDict()
_left_alone: OrderedDict[Hashable, LeftAlone] = OrderedDict()
_lock = threading.Lock()


def sender_by(
    server: str, headers: Headers, content: bytes, way: Way, connect: float | None, still: Still
) -> Sender | str:
    """By whom a request is sent that has this body; or why nobody could write another one so."""
    encode = _encoder(content)
    if encode is None:
        return "its body is written in a way of its own"
    asked = identity(headers)
    key = server, asked, way, encode
    with _lock:
        sender = _known.pop(key, None)
        if sender is None:
            # A trace that the request belongs to is its own.
            kept = {name for name, _ in asked} | _TRAVELS
            own = tuple(header for header in headers if header[0].lower() in kept)
            sender = Sender(server, own, way, encode, connect)
        _known[key] = sender
        if len(_known) > _MOST:
            _known.popitem(last=False)
    sender.still = still
    return sender


def left_alone(engine: str, reason: str) -> LeftAlone:
    """Those by whom an engine is asked in ways that are left alone for this reason."""
    with _lock:
        found = _left_alone.pop((engine, reason), None) or LeftAlone(reason)
        _left_alone[engine, reason] = found
        if len(_left_alone) > _MOST:
            _left_alone.popitem(last=False)
    return found


def _encoder(content: bytes) -> Encode | None:
    """What wrote a body; ``None``: it is not known."""
    try:
        value = json.loads(content)
        return next((write for write in (_compact, _spaced) if write(value) == content), None)
    except ValueError:
        return None

"""A request of an aiohttp session, made at another address."""

from __future__ import annotations

import copy
import importlib
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from ayo_bridge.bindings.aiohttp_way import own_kind
from ayo_bridge.engines.openai_http.request import Headers
from ayo_bridge.engines.openai_http.sent import with_length
from ayo_bridge.seam import Sending


def why_stays(session: Any, request: Any) -> str | None:
    """Why a request cannot be made at another address; ``None``: it can."""
    if not own_kind(session, request):
        return "its session sends by requests or a connector of its own kind"
    if request.proxy is not None:
        return "it goes through a proxy"
    if request._traces:
        return "its session traces connections"
    if request.server_hostname is not None or not isinstance(request.ssl, bool | _context()):
        return "it checks the server's name or fingerprint by itself"
    return None


@cache
def _context() -> type[Any]:
    found: type[Any] = importlib.import_module("ssl").SSLContext
    return found


def headers_of(request: Any) -> Headers:
    """The headers as they stand on the wire."""
    return tuple((name.encode(), value.encode()) for name, value in request.headers.items())


def moved(request: Any, content: bytes, sending: Sending) -> Any:
    """The request as it goes to a replica; itself where it goes as it is.

    Its response says that it has come from where the session has sent it: that is read from
    ``original_url`` (aiohttp 3.12 to 3.14).
    """
    there, given = str(request.url), headers_of(request)
    body = sending.content(content)
    url, headers = sending.url(there), sending.headers(with_length(given, body))
    if url == there and headers is given:
        return request
    other = copy.copy(request)
    other.headers = type(request.headers)(
        [(name.decode(), value.decode()) for name, value in headers]
    )
    if body is not content:
        other._body = importlib.import_module("aiohttp").BytesPayload(body)
    parts = urlsplit(url)
    base = importlib.import_module("yarl").URL(f"{parts.scheme}://{parts.netloc}")
    here = request.url
    other.url = here.with_scheme(base.scheme).with_host(base.host).with_port(base.explicit_port)
    return other


@cache
def unreached() -> tuple[type[BaseException], ...]:
    """What a session's connector and requests raise where no reply has come, and none will."""
    aiohttp = importlib.import_module("aiohttp")
    return (
        *(aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError),
        *(aiohttp.ServerDisconnectedError, aiohttp.ClientOSError),
    )


__all__ = ["headers_of", "moved", "unreached", "why_stays"]

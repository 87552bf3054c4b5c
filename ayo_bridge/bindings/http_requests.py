"""Requests as an HTTP client would send them: what it adds on the way is added here."""

from __future__ import annotations

import importlib
from typing import Any

from ayo_bridge.bindings.http_client import way_of
from ayo_bridge.bindings.http_senders import CannotBuildError
from ayo_bridge.engines.openai_http.request import LLMRequest


def as_sent(client: Any, request: Any) -> LLMRequest:
    """What leaves when this httpx or httpx2 client sends a request that it has built.

    Raises:
        CannotBuildError: it cannot be sent exactly so by us.
    """
    url = address(request)
    way = way_of(client, url)
    if isinstance(way, str):
        raise CannotBuildError(way)
    authorised(client, request)
    connect = request.extensions.get("timeout", {}).get("connect")
    return LLMRequest(url, tuple(request.headers.raw), request.content, connect, way=way)


def authorised(client: Any, request: Any) -> None:
    """Apply user info in the address, as the client does when it sends."""
    url = request.url
    if client.auth is None and (url.username or url.password):
        library = importlib.import_module(type(url).__module__.partition(".")[0])
        auth = library.BasicAuth(username=url.username, password=url.password)
        next(auth.auth_flow(request))


def address(request: Any) -> str:
    """Where a request goes, without user info."""
    url = request.url
    return f"{url.scheme}://{url.netloc.decode('ascii')}{url.raw_path.decode('ascii')}"

"""By whom requests of plain httpx and httpx2 clients are sent."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from ayo_bridge.bindings.http_client import way_of
from ayo_bridge.bindings.http_requests import address
from ayo_bridge.bindings.http_senders import Sender, Still, sender_by
from ayo_bridge.engines.openai_http.request import Headers, identity
from ayo_bridge.engines.openai_http.way import Way
from ayo_bridge.seam import current_scope

_current: ContextVar[tuple[Any, Any] | None] = ContextVar("ayo_bridge_sender", default=None)
"""The client whose request is on its way to the transport, and that request."""


def sender_of(request: Any) -> Sender | str:
    """By whom a plain client sends this request; or why nobody could send another one so."""
    known = _current.get()
    if known is None or known[1] is not request:  # One that follows a redirect is another.
        return "the HTTP client is not asked for it by itself"
    client, _ = known
    url, content = address(request), getattr(request, "_content", None)
    way = way_of(client, url)
    if isinstance(way, str):
        return way
    if not isinstance(content, bytes):
        return "its body streams"
    server = f"{request.url.scheme}://{request.url.netloc.decode('ascii')}"
    connect = request.extensions.get("timeout", {}).get("connect")
    headers = tuple(request.headers.raw)
    return sender_by(server, headers, content, way, connect, _still(client, server, way))


def _still(client: Any, server: str, way: Way) -> Still:
    adds, kept = _added(client, server), weakref.ref(client)

    def still(url: str) -> str | None:
        client = kept()
        if client is None or client.is_closed:
            return None
        now = way_of(client, url)
        if now != way:
            return now if isinstance(now, str) else "its client goes another way by now"
        if _added(client, server) != adds:
            return "the headers of its client have been changed"
        return None

    return still


def _added(client: Any, server: str) -> Headers:
    """What a client adds to each of its requests: its headers and cookies."""
    return identity(tuple(client.build_request("POST", server).headers.raw))


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

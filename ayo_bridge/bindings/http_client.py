"""Whether an HTTP client of the user's is one whose requests we can make for it.

Ahead of the original we send requests on connections of our own. That is the same only where the
user's client adds nothing on the way: no hooks, no authentication flow, no proxy, no transport or
limits of its own.
"""

from __future__ import annotations

import ssl
from typing import Any

from ayo_bridge.engines.openai_http.way import DIRECT, Way

_SMALLEST_POOL = 100
"""httpx's own default: a smaller pool is meant as a limit."""
_SDK_PACKAGES = ("openai.", "langchain_openai.")


def is_plain_client(client: Any, url: str | None = None) -> str | None:
    """Why requests of this httpx or httpx2 client are not made ahead; ``None``: they can be.

    With ``url``, proxies that do not concern this address are no reason.
    """
    base = _library_class(client)
    if base is None:
        return f"{type(client).__name__} is not an httpx client"
    for cls in type(client).__mro__:
        if cls is base:
            break
        own = [name for name in vars(cls) if not name.startswith("__") and name in dir(base)]
        if own:
            return f"{cls.__qualname__} overrides {', '.join(sorted(own))} of the HTTP client"
    if any(client.event_hooks.values()):
        return "the HTTP client has event hooks"
    if client.auth is not None:
        return "the HTTP client has an authentication flow of its own"
    transport = client._transport
    if url is not None:
        transport = client._transport_for_url(_library_url(base, url))
    elif any(mounted is not None for mounted in client._mounts.values()):
        return "the HTTP client has mounts or proxies"
    return transport_differs(transport) or _pool_is_small(transport) or _tls(client, transport, url)


def transport_differs(transport: Any) -> str | None:
    """Why requests over this transport are not ours to answer, or ``None``. Quick."""
    if type(transport).__name__ not in ("HTTPTransport", "AsyncHTTPTransport") or type(
        transport
    ).__module__.partition(".")[0] not in ("httpx", "httpx2"):
        return f"the HTTP client has a transport of its own, {type(transport).__qualname__}"
    pool = transport._pool
    if getattr(pool, "_proxy_url", None) is not None or getattr(pool, "_proxy", None) is not None:
        return "the HTTP client goes through a proxy"
    if getattr(pool, "_uds", None) is not None:
        return "the HTTP client uses a Unix socket"
    if getattr(pool, "_http2", False):
        return "the HTTP client speaks HTTP/2"
    return None


def _library_class(client: Any) -> type | None:
    for cls in type(client).__mro__:
        library = cls.__module__.partition(".")[0]
        if library in ("httpx", "httpx2") and cls.__name__ in ("Client", "AsyncClient"):
            return cls
    return None


def _library_url(base: type, url: str) -> Any:
    import importlib

    return importlib.import_module(base.__module__.partition(".")[0]).URL(url)


def _pool_is_small(transport: Any) -> str | None:
    most = getattr(transport._pool, "_max_connections", None)
    if isinstance(most, int) and most < _SMALLEST_POOL:
        return f"the HTTP client is limited to {most} connections"
    return None


def _tls(client: Any, transport: Any, url: str | None) -> str | None:
    """Over TLS: a context may hold a client certificate, and cannot be asked whether it does."""
    address = url if url is not None else str(client.base_url)
    if not address.startswith("https:"):
        return None
    context = getattr(transport._pool, "_ssl_context", None)
    changed = context is not None and (
        context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname
    )
    if changed or not type(client).__module__.startswith(_SDK_PACKAGES):
        return "the HTTP client has TLS settings of its own"
    return None


def way_of(client: Any, url: str) -> Way | str:
    """How a request of this client to this address leaves, or why we cannot send it so."""
    reason = is_plain_client(client, url)
    if reason is not None:
        return reason
    base = _library_class(client)
    assert base is not None
    return transport_way(
        client._transport_for_url(_library_url(base, url)), url.startswith("https:")
    )


def transport_way(transport: Any, secure: bool) -> Way | str:
    """How a request over this transport leaves, or why we cannot send it so."""
    reason = transport_differs(transport)
    if reason is not None:
        return reason
    return Way(context=transport._pool._ssl_context) if secure else DIRECT

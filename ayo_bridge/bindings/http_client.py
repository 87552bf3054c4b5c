"""The way out of an HTTP client of the user's: how its requests leave, or why we cannot send them.

Ahead of the original we send requests on connections of our own. That is the same only where the
user's client adds nothing on the way but what is known here: proxies, and whom TLS trusts or shows
a certificate to. Hooks, authentication flows, transports and limits of its own are left to it.
Read off httpx 0.27 to 0.28 and httpx2 2, with httpcore 1 and httpcore2 2.
"""

from __future__ import annotations

import importlib
import weakref
from functools import lru_cache
from typing import Any, Final

from ayo_bridge.engines.openai_http.way import DIRECT, Proxy, Way

_SMALLEST_POOL: Final = 100
"""httpx's own default: a smaller pool is meant as a limit."""
_LIBRARIES: Final = ("httpx", "httpx2")
_CORES: Final = ("httpcore", "httpcore2")


def way_of(client: Any, url: str) -> Way | str:
    """How a request of this httpx or httpx2 client to this address leaves.

    Returns:
        The way, or the reason why we cannot send it so.
    """
    kind: type = type(client)
    base = _library_class(kind)
    if base is None:
        return f"{kind.__name__} is not an httpx client"
    overridden = _overridden(kind, base)
    if overridden:
        return overridden
    if any(client.event_hooks.values()):
        return "the HTTP client has event hooks"
    if client.auth is not None:
        return "the HTTP client has an authentication flow of its own"
    transport = client._transport
    if client._mounts:
        transport = client._transport_for_url(_library_url(base, url))
    return transport_way(transport, url.startswith("https:"))


def transport_way(transport: Any, secure: bool) -> Way | str:
    """How a request over this transport leaves, or the reason why we cannot send it so. Quick."""
    try:
        ways = _ways.get(transport)
    except TypeError:  # Nothing that httpx makes.
        return _own_transport(transport)
    if ways is None:
        ways = _ways[transport] = (_way(transport, False), _way(transport, True))
    own = vars(transport)
    if "handle_request" in own or "handle_async_request" in own:
        return _own_transport(transport)
    return ways[secure]


_ways: weakref.WeakKeyDictionary[Any, tuple[Way | str, Way | str]] = weakref.WeakKeyDictionary()
"""A transport is made once; what it is made of does not change."""


def _way(transport: Any, secure: bool) -> Way | str:
    kind = type(transport)
    if kind.__name__ not in ("HTTPTransport", "AsyncHTTPTransport") or not _of(kind, _LIBRARIES):
        return _own_transport(transport)
    pool = transport._pool
    reason = _pool_differs(pool)
    if reason is not None:
        return reason
    proxy = _proxy_of(pool)
    if isinstance(proxy, str):
        return proxy
    if proxy is None and not secure:
        return DIRECT
    return Way(proxy, pool._ssl_context if secure else None)


def _own_transport(transport: Any) -> str:
    return f"the HTTP client has a transport of its own, {type(transport).__qualname__}"


def _pool_differs(pool: Any) -> str | None:
    if not _of(type(pool), _CORES):
        return f"the HTTP client has a pool of its own, {type(pool).__qualname__}"
    if pool._uds is not None:
        return "the HTTP client uses a Unix socket"
    if pool._http2:
        return "the HTTP client speaks HTTP/2"
    if pool._local_address is not None:
        return "the HTTP client has a local address of its own"
    if pool._max_connections < _SMALLEST_POOL:
        return f"the HTTP client is limited to {pool._max_connections} connections"
    return None


def _proxy_of(pool: Any) -> Proxy | str | None:
    """The proxy of a pool: that of a class of its own, or an attribute, as versions have it."""
    kind = type(pool).__name__
    if "SOCKS" in kind.upper():
        return "the HTTP client goes through a SOCKS proxy"
    known = getattr(pool, "_proxy", None)
    if known is not None:
        url, headers, context = known.url, known.headers, known.ssl_context
    elif getattr(pool, "_proxy_url", None) is not None:
        url, headers, context = pool._proxy_url, pool._proxy_headers, pool._proxy_ssl_context
    else:
        return None
    scheme = url.scheme.decode("ascii")
    if scheme not in ("http", "https"):
        return f"the HTTP client goes through a proxy that speaks {scheme}"
    port = url.port or (443 if scheme == "https" else 80)
    host = url.host.decode("ascii")
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Proxy(f"{scheme}://{address}", tuple(map(tuple, headers)), context)


@lru_cache(maxsize=64)
def _library_class(kind: type) -> type | None:
    for cls in kind.__mro__:
        if _of(cls, _LIBRARIES) and cls.__name__ in ("Client", "AsyncClient"):
            return cls
    return None


@lru_cache(maxsize=64)
def _overridden(kind: type, base: type) -> str | None:
    for cls in kind.__mro__:
        if cls is base:
            break
        own = [name for name in vars(cls) if not name.startswith("__") and name in dir(base)]
        if own:
            return f"{cls.__qualname__} overrides {', '.join(sorted(own))} of the HTTP client"
    return None


def _of(kind: type, libraries: tuple[str, ...]) -> bool:
    return kind.__module__.partition(".")[0] in libraries


def _library_url(base: type, url: str) -> Any:
    return importlib.import_module(base.__module__.partition(".")[0]).URL(url)

"""How the requests of a user's HTTP client leave the process, and whether ours can leave alike.

Ahead of the original we send requests on connections of our own. They go the same way: through
the proxy that the client would use for the address, with its TLS context. What a connection of
ours cannot do exactly (hooks, authentication flows, foreign transports, HTTP/2, Unix sockets,
SOCKS) is a reason to leave the client's requests alone.

Nothing public of httpx 0.28 or httpx2 2.16 tells this. What is read here is what their transports
make of their own arguments, in the pools of httpcore 1.0 and httpcore2 2.16.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from ayo_bridge.engines.openai_http.tls import pool_context
from ayo_bridge.engines.openai_http.way import Proxy, Way

_SMALLEST_POOL = 100
"""httpx's own default: a smaller pool is meant as a limit."""
_LIBRARIES = ("httpx", "httpx2")
_PLAIN_POOLS = ("ConnectionPool", "AsyncConnectionPool")
_PROXY_POOLS = ("HTTPProxy", "AsyncHTTPProxy")
_SOCKS_POOLS = ("SOCKSProxy", "AsyncSOCKSProxy")
_SOCKS = "the HTTP client goes through a SOCKS proxy"
_SENDING = (
    *("send", "_send_handling_auth", "_send_handling_redirects", "_send_single_request"),
    "_transport_for_url",
)
"""What a client calls on the way from a request to its transport."""

_ways: WeakKeyDictionary[Any, tuple[Way | str, Way | str]] = WeakKeyDictionary()
"""By pool: the way to http and to https addresses."""


def way_of(client: Any, url: str) -> Way | str:
    """How requests of this httpx or httpx2 client to an address leave.

    A string is the reason why requests of ours cannot leave alike. User info in the URL is no
    reason here: the client makes it a header, like any other.
    """
    base = _library_class(client)
    if base is None:
        return f"{type(client).__name__} is not an httpx client"
    differs = _adds(client, base)
    if differs is not None:
        return differs
    library = importlib.import_module(base.__module__.partition(".")[0])
    address = library.URL(url)
    return transport_way(client._transport_for_url(address), address.scheme == "https")


def transport_way(transport: Any, secure: bool) -> Way | str:
    """How requests over this transport leave, to https addresses if ``secure``, else to http.

    A string is the reason why requests of ours cannot leave alike. Quick: ways are remembered as
    long as the transport's pool lives, so that equal ones are the same.
    """
    kind, own = type(transport), vars(transport)
    if "handle_request" in own or "handle_async_request" in own:
        return "the HTTP client's transport has been patched"
    if kind.__name__ not in ("HTTPTransport", "AsyncHTTPTransport") or (
        kind.__module__.partition(".")[0] not in _LIBRARIES
    ):
        return f"the HTTP client has a transport of its own, {kind.__qualname__}"
    pool = transport._pool
    for cls in (kind, type(pool)):
        if _replaced(cls, "handle_async_request" if "Async" in cls.__name__ else "handle_request"):
            return f"{cls.__qualname__} of the HTTP library has been replaced"
    try:
        ways = _ways.get(pool)
    except TypeError:  # It takes no weak references: httpcore's do.
        return _foreign(pool)
    if ways is None:
        ways = _ways[pool] = _pool_ways(pool)
    return ways[secure]


def _library_class(client: Any) -> type | None:
    for cls in type(client).__mro__:
        library = cls.__module__.partition(".")[0]
        if library in _LIBRARIES and cls.__name__ in ("Client", "AsyncClient"):
            return cls
    return None


def _adds(client: Any, base: type) -> str | None:
    """What the client adds on the way from a request to its transport."""
    for cls in type(client).__mro__:
        if cls is base:
            break
        own = [name for name in vars(cls) if not name.startswith("__") and name in dir(base)]
        if own:
            return f"{cls.__qualname__} overrides {', '.join(sorted(own))} of the HTTP client"
    for name in _SENDING:
        # Some tracing wraps ``send`` without wrapt.
        if name in vars(client) or _replaced(base, name, told=name == "send"):
            return f"{name} of the HTTP client has been replaced"
    if any(client.event_hooks.values()):
        return "the HTTP client has event hooks"
    if client.auth is not None:
        return "the HTTP client has an authentication flow of its own"
    return None


def _replaced(cls: type, name: str, *, told: bool = False) -> bool:
    """Whether a method of the library is another one by now, as in tests without a network.

    What is wrapped by wrapt still reaches the library: so it is traced. Who only tells what is
    wrapped, by ``functools.wraps``, may answer in its place, as vcrpy does from its recordings;
    with ``told`` that is taken for tracing, too.
    """
    owner = next((base for base in cls.__mro__ if name in vars(base)), None)
    if owner is None:
        return False
    found: Any = vars(owner)[name]
    while told or hasattr(found, "_self_wrapper"):  # wrapt has it, in whatever package it lies.
        wrapped = getattr(found, "__wrapped__", None)
        if wrapped is None:
            break
        found = wrapped
    return _package(found) != _package(owner) or (not told and hasattr(found, "__wrapped__"))


def _package(obj: Any) -> str:
    return str(getattr(obj, "__module__", "")).partition(".")[0]


def _pool_ways(pool: Any) -> tuple[Way | str, Way | str]:
    try:
        way = _pool_way(pool)
    except AttributeError as error:
        way = f"the version of the HTTP client is unknown: its pool has no {error.name}"
    if isinstance(way, str):
        return way, way
    return replace(way, context=None), way


def _pool_way(pool: Any) -> Way | str:
    """The way to https addresses."""
    library, name = type(pool).__module__.partition(".")[0], type(pool).__name__
    if library not in ("httpcore", "httpcore2"):
        return _foreign(pool)
    if name in _SOCKS_POOLS:
        return _SOCKS
    if name not in (*_PLAIN_POOLS, *_PROXY_POOLS):
        return _foreign(pool)
    reason = _pool_differs(pool)
    if reason is not None:
        return reason
    proxy = _proxy_of(pool, library)
    if isinstance(proxy, str):
        return proxy
    context = pool._ssl_context or pool_context(library)
    # Of sockets to a proxy httpcore sets no options.
    return Way(proxy, context, () if proxy is not None else _options(pool))


def _foreign(pool: Any) -> str:
    return f"the HTTP client has a connection pool of its own, {type(pool).__qualname__}"


def _pool_differs(pool: Any) -> str | None:
    if pool._uds is not None:
        return "the HTTP client uses a Unix socket"
    if pool._http2 or not pool._http1:
        return "the HTTP client speaks HTTP/2"
    if pool._max_connections < _SMALLEST_POOL:
        return f"the HTTP client is limited to {pool._max_connections} connections"
    if pool._local_address is not None:
        return "the HTTP client has a local address of its own"
    if pool._retries:
        return "the HTTP client's transport makes retries of its own"
    return None


def _proxy_of(pool: Any, library: str) -> Proxy | str | None:
    """The proxy of a pool; a string is the reason why ours cannot be used alike."""
    if type(pool).__name__ in _PROXY_POOLS:  # What httpx makes.
        url, headers, context = pool._proxy_url, pool._proxy_headers, pool._proxy_ssl_context
    else:
        # A pool of the user's; httpcore before 1.0.6 has no other proxies.
        proxy = vars(pool).get("_proxy")
        if proxy is None:
            return None
        url, headers, context = proxy.url, proxy.headers, proxy.ssl_context
    scheme = url.scheme.decode("ascii")
    if scheme not in ("http", "https"):
        return _SOCKS
    host = url.host.decode("ascii")
    where = f"[{host}]" if ":" in host else host
    if scheme == "https" and context is None:
        context = pool_context(library)
    return Proxy(f"{scheme}://{where}:{url.origin.port}", tuple(headers), context)


def _options(pool: Any) -> tuple[tuple[Any, ...], ...]:
    given = tuple(tuple(option) for option in pool._socket_options or ())
    return tuple(
        tuple(bytes(part) if isinstance(part, bytearray) else part for part in option)
        for option in given
    )

"""A request of a urllib3 pool, made at another address: by a pool that is like it but for that."""

from __future__ import annotations

import http.client
import importlib
import weakref
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from ayo_bridge.bindings.urllib3_way import limit_of, own_kind
from ayo_bridge.engines.openai_http.request import Headers
from ayo_bridge.seam import new_lock

_PLACE: Final = frozenset(
    {"host", "_proxy_host", "_tunnel_host", "port", "pool", "block", "headers"}
    | {"num_connections", "num_requests"}
)
"""What a pool has for itself (urllib3 2.0 to 2.8); all else says how its connections are made."""
_elsewhere: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
"""By pool: those at other addresses, by origin. They are there as long as it is."""
_lock = new_lock()


def why_stays(pool: Any) -> str | None:
    """Why requests of a pool cannot be made at another address; ``None``: they can."""
    if not own_kind(pool):
        return f"its connection pool is of its own kind, {type(pool).__qualname__}"
    if pool.proxy is not None:
        return "it goes through a proxy"
    if getattr(pool, "assert_hostname", None) is not None or _pinned(pool):
        return "it checks the server's name or fingerprint by itself"
    return limit_of(pool)


def _pinned(pool: Any) -> bool:
    return bool(getattr(pool, "assert_fingerprint", None) or pool.conn_kw.get("server_hostname"))


def headers_of(given: Mapping[Any, Any] | None) -> Headers:
    """Headers as they are encoded."""
    return tuple((encoded(name), encoded(value)) for name, value in (given or {}).items())


def encoded(text: str | bytes) -> bytes:
    """As http.client encodes headers."""
    return text.encode("latin-1") if isinstance(text, str) else text


def pool_at(pool: Any, url: str) -> Any:
    """The pool like this one at the address of a URL."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    with _lock:
        there = _elsewhere.setdefault(pool, {})
        found = there.get(origin)
        if found is None:
            size = 1 if pool.pool is None else pool.pool.maxsize
            found = there[origin] = type(pool)(parts.hostname, parts.port, maxsize=size)
    # What requests sets on its pools may differ from request to request.
    found.__dict__.update({k: v for k, v in vars(pool).items() if k not in _PLACE})
    return found


def made_at(
    pool: Any, url: str, make: Callable[..., Any], arguments: Mapping[str, Any], connect: Any
) -> Any:
    """Make a request at the address of a URL; the response goes back to the pool there.

    Args:
        pool: whose request it is.
        url: where it goes.
        make: ``_make_request`` of any pool.
        arguments: with which it would be called.
        connect: the time-out of the request, as urllib3 takes it.
    """
    there = pool_at(pool, url)
    connection = there._get_conn()
    given = {**arguments, "conn": connection, "timeout": connect}
    held = arguments.get("response_conn") is not None
    if held:
        given["response_conn"] = connection
    try:
        response = make(there, **given)
    except BaseException:
        connection.close()
        there._put_conn(connection)
        raise
    if not held:  # It has been read.
        there._put_conn(connection)
    return response


@cache
def unreached() -> tuple[type[BaseException], ...]:
    """What ``_make_request`` raises where no head of a reply has come, and none will."""
    errors = importlib.import_module("urllib3.exceptions")
    return (
        *(errors.NewConnectionError, errors.ConnectTimeoutError, errors.SSLError),
        *(OSError, http.client.HTTPException),
    )


__all__ = ["encoded", "headers_of", "made_at", "unreached", "why_stays"]

"""How the requests of a urllib3 pool leave the process, and whether ours can leave alike.

What is read are the pool's own attributes (urllib3 2.0 to 2.8), which requests sets for each
request from its session, the environment and the call.
"""

from __future__ import annotations

import importlib
import os
import ssl
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Final

from ayo_bridge.engines.openai_http.way import Proxy, Way

_SMALLEST_POOL: Final = 100
"""A pool that blocks is meant as a limit; httpx's default is no limit to speak of."""
_KNOWN: Final = frozenset(
    {"blocksize", "socket_options", "ssl_context", "source_address", "proxy", "proxy_config"}
)
_FILES: Final = ("ca_certs", "ca_cert_dir", "cert_file", "key_file")
_OF_TLS: Final = (
    *_FILES,
    *("key_password", "ssl_version", "ssl_minimum_version", "ssl_maximum_version", "cert_reqs"),
)


def way_of(pool: Any) -> Way | str:
    """How requests of this pool leave; a string is why requests of ours cannot leave alike."""
    if not own_kind(pool):
        return f"its connection pool is of its own kind, {type(pool).__qualname__}"
    differs = _differs(pool)
    if differs is not None:
        return differs
    options = tuple(tuple(option) for option in _options(pool))
    if pool.proxy is not None:
        return _by_proxy(pool)
    if pool.scheme == "http":
        return Way(options=options)
    context = _context(pool)
    return context if isinstance(context, str) else Way(context=context, options=options)


def own_kind(pool: Any) -> bool:
    """Whether a pool and its connections are urllib3's own."""
    connections = importlib.import_module("urllib3.connectionpool")
    kinds = (connections.HTTPConnectionPool, connections.HTTPSConnectionPool)
    own = getattr(pool.ConnectionCls, "__module__", "") == "urllib3.connection"
    return type(pool) in kinds and own


def limit_of(pool: Any) -> str | None:
    """Why a pool is not to have more connections than it takes by itself."""
    if pool.block and pool.pool.maxsize < _SMALLEST_POOL:
        return f"its pool is limited to {pool.pool.maxsize} connections"
    return None


def _differs(pool: Any) -> str | None:
    given = {name for name, value in pool.conn_kw.items() if value is not None}
    if given - _KNOWN:
        return f"its connections are made with {', '.join(sorted(given - _KNOWN))}"
    if "source_address" in given:
        return "its connections have a local address of their own"
    return limit_of(pool)


def _options(pool: Any) -> Any:
    return pool.conn_kw.get("socket_options") or ()


def _by_proxy(pool: Any) -> Way | str:
    """To http addresses: a tunnel is opened with other words than ours."""
    if pool.scheme != "http" or pool.proxy.scheme != "http":
        return "it goes through a proxy by a tunnel, or over https"
    host = pool.proxy.host
    where = f"[{host}]" if ":" in host.strip("[]") and not host.startswith("[") else host
    return Way(Proxy(f"http://{where}:{pool.proxy.port}"))


def _context(pool: Any) -> ssl.SSLContext | str:
    """The TLS context that the pool makes for each connection, or an equal one."""
    if pool.assert_hostname is not None or pool.assert_fingerprint:
        return "it checks the server's name or fingerprint by itself"
    resolve = importlib.import_module("urllib3.util.ssl_").resolve_cert_reqs
    if resolve(pool.cert_reqs) != ssl.CERT_REQUIRED:
        return "it does not verify certificates, of which it warns each time"
    if (given := pool.conn_kw.get("ssl_context")) is not None:
        return given if type(given) is ssl.SSLContext else "its TLS context is of its own kind"
    if getattr(pool, "ca_cert_data", None):
        return "its certificates are given as data"
    said = tuple((name, getattr(pool, name, None)) for name in _OF_TLS)
    try:
        return _made(said, tuple(_changed(value) for name, value in said if name in _FILES))
    except (OSError, ValueError) as error:
        return f"its TLS context cannot be made: {type(error).__name__}"


def _changed(path: Any) -> Hashable:
    return os.stat(path).st_mtime_ns if path else None


@lru_cache(maxsize=32)
def _made(said: tuple[tuple[str, Any], ...], changed: Hashable) -> ssl.SSLContext:
    """As ``urllib3.connection`` makes one (2.0 to 2.8); one object for equal settings."""
    of, given = importlib.import_module("urllib3.util.ssl_"), dict(said)
    context: ssl.SSLContext = of.create_urllib3_context(
        ssl_version=of.resolve_ssl_version(given["ssl_version"]),
        ssl_minimum_version=given["ssl_minimum_version"],
        ssl_maximum_version=given["ssl_maximum_version"],
        cert_reqs=of.resolve_cert_reqs(given["cert_reqs"]),
    )
    if given["ca_certs"] or given["ca_cert_dir"]:
        context.load_verify_locations(given["ca_certs"], given["ca_cert_dir"])
    else:
        context.load_default_certs()
    if given["cert_file"]:
        context.load_cert_chain(given["cert_file"], given["key_file"], given["key_password"])
    return context

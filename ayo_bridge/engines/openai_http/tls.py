"""What we share with the HTTP library of the SDKs: whom to trust."""

from __future__ import annotations

import importlib
import ssl
from functools import cache


def tls_context() -> ssl.SSLContext:
    """The default TLS context of httpx, or of httpx2, as their clients have it; else Python's."""
    for name in ("httpx", "httpx2"):
        try:
            context: ssl.SSLContext = importlib.import_module(name).create_ssl_context()
        except ImportError:
            continue
        return context
    return ssl.create_default_context()


@cache
def pool_context(library: str) -> ssl.SSLContext:
    """What httpcore or httpcore2 use for a pool, or for an https proxy, that was given no context.

    They make it anew for each connection; it is the same each time.
    """
    context: ssl.SSLContext = importlib.import_module(library).default_ssl_context()
    return context

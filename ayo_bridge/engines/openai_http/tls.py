"""What we share with the HTTP library of the SDKs: whom to trust."""

from __future__ import annotations

import importlib
import ssl


def tls_context() -> ssl.SSLContext:
    """The default TLS context of httpx, or of httpx2, as their clients have it; else Python's."""
    for name in ("httpx", "httpx2"):
        try:
            context: ssl.SSLContext = importlib.import_module(name).create_ssl_context()
        except ImportError:
            continue
        return context
    return ssl.create_default_context()

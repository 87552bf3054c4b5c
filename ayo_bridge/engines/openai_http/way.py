"""How a request leaves the process: as the original's client would send it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

RawHeaders = tuple[tuple[bytes, bytes], ...]
"""Names and values as they stand on the wire, in their order."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that speaks HTTP/1.1, itself over http or https.

    ``url`` is scheme, host and port, never with user info. ``headers`` are what the client adds
    for the proxy, its ``Proxy-Authorization`` included: they are no part of the repr. ``context``
    is for a proxy that is itself https.
    """

    url: str
    headers: RawHeaders = field(default=(), repr=False)
    context: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """The way out of one client to one kind of address, http or https. Contexts differ by identity.

    ``context`` is for https addresses; ``None`` is the default one of :func:`.tls.tls_context`.
    ``options`` are what ``setsockopt`` is called with on each new socket that is not a proxy's.
    """

    proxy: Proxy | None = None
    context: ssl.SSLContext | None = None
    options: tuple[tuple[Any, ...], ...] = ()


DIRECT = Way()
"""Straight to the server, with the defaults."""

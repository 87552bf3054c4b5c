"""How a request leaves the process: through which proxy, and with whose TLS settings."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Args:
        url: ``http://host:port`` or ``https://host:port``, without user info.
        headers: what is said to the proxy, its authorisation included.
        context: for TLS to the proxy itself.
    """

    url: str
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    context: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """The way out of a client; ``context`` is ``None`` where the default of httpx serves."""

    proxy: Proxy | None = None
    context: ssl.SSLContext | None = None


DIRECT: Final = Way()

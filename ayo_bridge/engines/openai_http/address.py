"""Where a URL leads to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from ayo_bridge.engines.openai_http.errors import ConnectError


@dataclass(frozen=True, slots=True)
class Address:
    """Where a URL leads to; ``host`` and ``target`` as they stand in the request."""

    name: str
    port: int
    tls: bool
    host: bytes
    target: bytes

    @property
    def head_start(self) -> float | None:
        """Seconds that one IP address of the name has before the next is tried; ``None``: no race.

        A race that is cancelled may lose a socket it has just opened, until it is collected
        (seen in Python 3.11): one address alone does not race.
        """
        try:
            ip_address(self.name)
        except ValueError:
            return 0.25
        return None


@lru_cache(maxsize=1024)
def address_of(url: str) -> Address:
    """The address of an absolute http or https URL."""
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise ConnectError(f"{parts.scheme!r} is not an address of http or https")
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    port = parts.port or (443 if tls else 80)
    host = parts.netloc.rpartition("@")[2]
    return Address(parts.hostname, port, tls, host.encode("ascii"), target.encode("ascii"))


@lru_cache(maxsize=1024)
def origin(url: str) -> str:
    """``host:port`` of a URL: what its engines share, and nothing else of it."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme.lower() == "https" else 80)
    return f"{(parts.hostname or '').lower()}:{port}"

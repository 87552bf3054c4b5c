"""Where a URL leads to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from ayo_bridge.engines.openai_http.errors import ConnectError

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a URL leads to; ``host`` and ``target`` as they stand in the request."""

    name: str
    port: int
    tls: bool
    host: bytes
    target: bytes

    @property
    def authority(self) -> bytes:
        """Name and port as httpcore writes them in a CONNECT: no brackets around IPv6."""
        return b"%s:%d" % (self.name.encode("ascii"), self.port)

    @property
    def absolute(self) -> bytes:
        """The target of a request to a proxy, as httpcore writes it: no default port."""
        scheme = "https" if self.tls else "http"
        where = self.name.encode("ascii") if self.port == _DEFAULT_PORTS[scheme] else self.authority
        return b"%s://%s%s" % (scheme.encode(), where, self.target)

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
    host = parts.netloc.rpartition("@")[2]
    if not parts.hostname or parts.scheme not in _DEFAULT_PORTS:
        # Without the user info: errors are shown.
        raise ConnectError(f"{parts._replace(netloc=host).geturl()!r} is not an http address")
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return Address(
        parts.hostname,
        port,
        parts.scheme == "https",
        host.encode("ascii"),
        target.encode("ascii"),
    )

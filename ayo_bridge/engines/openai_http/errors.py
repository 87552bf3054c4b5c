"""How a request fails. The names are httpx's, so that a replay can raise the client's own."""

from __future__ import annotations

from ayo_bridge.errors import AyoBridgeError


class TransportError(AyoBridgeError):
    """A request was not answered, or its reply broke off."""


class ConnectError(TransportError):
    """The server was not reached."""


class ConnectTimeout(TransportError):
    """The server was not reached in time."""


class ReadError(TransportError):
    """The connection broke."""


class ReadTimeout(TransportError):
    """No bytes came in time."""


class RemoteProtocolError(TransportError):
    """The server hung up in the middle, or does not speak HTTP/1.1."""


class ProxyError(TransportError):
    """A proxy refused to connect to the server."""

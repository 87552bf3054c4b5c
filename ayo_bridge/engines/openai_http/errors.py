"""How a request fails. The names are httpx's, so that a replay can raise the client's own."""

from __future__ import annotations

from typing import Final

from ayo_bridge.errors import AyoBridgeError

TOO_OFTEN: Final = 429
"""What they say to one who asks too often, and some to all."""
BUSY: Final = frozenset({TOO_OFTEN, 503, 529})
"""What servers say that have too much to do."""


class StatusError(AyoBridgeError):
    """A server has answered, but not with what was asked for.

    ``status`` is the HTTP status, ``answer`` the text of its reply as far as it can be read.
    """

    def __init__(self, status: int, answer: str = "") -> None:
        super().__init__(f"the server answered {status}")
        self.status = status
        self.answer = answer

    @property
    def busy(self) -> bool:
        """Whether the server has too much to do."""
        return self.status in BUSY


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

"""A request at the boundary of an HTTP library, as it leaves: whatever the library is."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from ayo_bridge.bindings.http_senders import Sender
from ayo_bridge.engines.openai_http.request import Headers
from ayo_bridge.engines.openai_http.way import Way


class Asked(Protocol):
    """What boundaries want to know of a request. Nothing is worked out before it is asked for."""

    @property
    def place(self) -> Hashable:
        """Equal for requests to equal addresses, and quick to have; ``None``: unknown."""

    @property
    def url(self) -> str:
        """Where it goes, without user info."""

    @property
    def content(self) -> bytes | None:
        """Its body; ``None``: that streams."""

    @property
    def connect(self) -> float | None:
        """Seconds that a connection may take."""

    @property
    def read(self) -> float | None:
        """Seconds of silence after which the library gives up."""

    def agent(self) -> str:
        """Its ``User-Agent``."""

    def headers(self) -> Headers:
        """As they stand on the wire."""

    def way(self) -> Way | str:
        """How it leaves; a string is the reason why requests of ours cannot leave alike."""

    def sender(self) -> Sender | str:
        """By whom it is sent; a string is why nobody could send another one so."""

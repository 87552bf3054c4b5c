"""Where requests of an engine with several replicas go, as engines and bindings see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ayo_bridge.seam.call import Foreseen, Usage

Headers = tuple[tuple[bytes, bytes], ...]


class Sending(Protocol):
    """One request on its way, to one replica after the other where they cannot take it."""

    @property
    def own(self) -> bool:
        """Whether it goes to the address that it was made for."""

    @property
    def seconds(self) -> float:
        """How long ago it was sent where it goes now."""

    def url(self, url: str) -> str:
        """Where it goes now: scheme, host and port are the replica's."""

    def headers(self, headers: Headers) -> Headers:
        """The headers it goes with: the host is the replica's, and a session may be named."""

    def content(self, content: bytes) -> bytes:
        """The body it goes with: a router may be told what is expected of it."""

    def refuses(self, status: int) -> bool:
        """Whether a reply of this status is none to its caller, if it can be sent once more."""

    def ends(self, usage: Usage | None = None, first: float | None = None) -> None:
        """Its answer has come to its end. Idempotent.

        ``usage`` is what that says; its ``first`` bytes came after so many seconds.
        """

    def drops(self) -> None:
        """It was given up. Idempotent, without effect after an end."""

    def breaks(self) -> None:
        """Its answer broke off, or says that its replica is not well. Idempotent like the end."""

    def fails(self, seconds: float | None = None) -> bool:
        """Its replica was not reached, or takes nothing for so many seconds.

        Returns whether it goes to another one now.
        """


class Routes(Protocol):
    """The replicas of an engine. Thread-safe."""

    @property
    def tells(self) -> bool:
        """Whether a router is told what is expected of each request."""

    def sending(
        self,
        server: str,
        body: bytes | Mapping[str, Any],
        headers: Headers = (),
        *,
        warm: bool = False,
        foreseen: Foreseen | None = None,
    ) -> Sending | None:
        """Choose where a request goes that was made for ``host:port``.

        ``foreseen`` is what its graph says of it. ``None``: it is not for this engine, and goes
        there.
        """

    def stays(self, reason: str) -> None:
        """A request goes where it was made for, and is shown to no replica: why."""


__all__ = ["Routes", "Sending"]

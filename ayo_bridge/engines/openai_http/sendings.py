"""Requests on their way to replicas, or to a router that is told of which session they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import urlsplit

from ayo_bridge.engines.openai_http.errors import BUSY, TOO_OFTEN
from ayo_bridge.engines.openai_http.hints import hinted
from ayo_bridge.engines.openai_http.request import Headers
from ayo_bridge.schedule.routing import Prompt, Sent
from ayo_bridge.seam import Sending, Usage


class Chooses(Protocol):
    """Who chooses replicas, and hears how requests fare there."""

    def chosen(self, prompt: Prompt, tried: Mapping[int, object], own: int) -> Sent | None:
        """Where a request goes now; ``None``: nowhere any more."""

    def url(self, sent: Sent) -> str:
        """The base URL to which it goes."""

    def since(self, sent: Sent) -> float:
        """Seconds since it was sent."""

    def ended(self, sent: Sent, usage: Usage | None, first: float | None) -> None:
        """Its answer has come to its end."""

    def dropped(self, sent: Sent) -> None:
        """It was given up."""

    def broken(self, sent: Sent) -> None:
        """Its answer broke off."""

    def failed(self, sent: Sent) -> None:
        """Its replica was not reached."""

    def rests(self, sent: Sent, seconds: float, *, caller: bool) -> None:
        """Its replica takes nothing for so many seconds; ``caller``: of who made it."""

    def refused(self, sent: Sent) -> None:
        """Its replica does not take it, for whatever reason."""

    def taken(self, sent: Sent) -> None:
        """Its replica takes it."""

    def is_strange(self, sent: Sent) -> None:
        """Another one has taken it, whose caller its replica does not know."""

    def is_otherwise(self, sent: Sent) -> None:
        """Another one has taken what its replica has refused."""


class Told(Protocol):
    """Who learns from what a router answers."""

    def answered(self, prompt: Prompt, output: int) -> None:
        """An answer had so many tokens."""

    def not_understood(self) -> None:
        """A request was refused for what was added to it."""


_GATEWAYS: Final = (502, 504)
"""What a proxy says whose server does not answer."""
_STRANGE: Final = frozenset({401, 403})
"""What a replica says that does not know the key of a request; it may know others."""
_CONFIGURED: Final = _STRANGE | {404, 405, 407, 421}
"""What a replica says that is not set up as the one whose address the application has."""
_NOT_UNDERSTOOD: Final = (400, 422)
"""What servers say of a body with fields that they do not know."""


class AtReplica(Sending):
    """A request that goes to one of the replicas."""

    def __init__(self, replicas: Chooses, own: int, prompt: Prompt) -> None:
        self._over = True  # As long as nothing is sent.
        self._replicas = replicas
        self._own = own
        self._prompt = prompt
        self._tried: dict[int, None] = {}
        self._refusers: list[tuple[Sent, int]] = []
        """Where it went and was refused, as by one that is set up otherwise, and how."""
        self._refused = 0
        """The status by which it was refused so where it is."""
        self._too_often = False
        """Whether that is for who has made it."""
        sent = replicas.chosen(prompt, self._tried, own)
        assert sent is not None  # Nothing was tried.
        self._sent: Sent = sent
        self._over = False

    @property
    def own(self) -> bool:
        """Whether it goes to the address that it was made for."""
        return self._sent.replica == self._own

    @property
    def seconds(self) -> float:
        """How long ago it was sent where it goes now."""
        return self._replicas.since(self._sent)

    def url(self, url: str) -> str:
        """Where it goes now."""
        if self.own:
            return url
        there = urlsplit(self._replicas.url(self._sent))
        return urlsplit(url)._replace(scheme=there.scheme, netloc=there.netloc).geturl()

    def headers(self, headers: Headers) -> Headers:
        """The headers it goes with: the host is the replica's."""
        if self.own:
            return headers
        host = urlsplit(self._replicas.url(self._sent)).netloc.encode("ascii")
        return tuple((name, host if name.lower() == b"host" else v) for name, v in headers)

    def content(self, content: bytes) -> bytes:
        """The body it goes with."""
        return content

    def refuses(self, status: int) -> bool:
        """Whether a reply sends it on to another replica.

        So does one of who has too much to do, or drains. What else is refused is an answer, unless
        a replica says it that is set up otherwise than the application's own address. Whether it is
        shows where the request is taken: a wrong key is refused by all.
        """
        self._too_often = status == TOO_OFTEN
        if status in BUSY:
            return True
        otherwise = not self.own and (300 <= status < 400 or status in _CONFIGURED)
        self._refused = status if otherwise else 0
        if status < 300:
            self._taken()
        return otherwise or (not self.own and status in _GATEWAYS)

    def _taken(self) -> None:
        self._replicas.taken(self._sent)
        for sent, status in self._refusers:
            if status in _STRANGE:
                self._replicas.is_strange(sent)
            else:
                self._replicas.is_otherwise(sent)
        self._refusers.clear()

    def ends(self, usage: Usage | None = None, first: float | None = None) -> None:
        """Its answer has come to its end."""
        if not self._over:
            self._over = True
            self._replicas.ended(self._sent, usage, first)

    def drops(self) -> None:
        """It was given up."""
        if not self._over:
            self._over = True
            self._replicas.dropped(self._sent)

    def breaks(self) -> None:
        """Its answer broke off, or says that its replica is not well."""
        if not self._over:
            self._over = True
            self._replicas.broken(self._sent)

    def fails(self, seconds: float | None = None) -> bool:
        """Its replica was not reached: it goes to the next, and last to its own address."""
        if self._refused:
            self._replicas.refused(self._sent)
            self._refusers.append((self._sent, self._refused))
            self._refused = 0
        elif seconds is None:
            self._replicas.failed(self._sent)
        else:
            self._replicas.rests(self._sent, seconds, caller=self._too_often)
        self._tried[self._sent.replica] = None
        sent = self._replicas.chosen(self._prompt, self._tried, self._own)
        if sent is None:
            self._over = True
            return False
        self._sent = sent
        return True

    def __del__(self) -> None:
        self.drops()


class InSession(Sending):
    """A request to a router, which is told of which session it is, and what is expected of it.

    Args:
        router: hears how it fares.
        prompt: how it begins.
        header: the header that names its session, and that.
        hint: what is added to its body; empty: nothing.
    """

    own = True
    seconds = 0.0

    def __init__(
        self, router: Told, prompt: Prompt, header: tuple[bytes, bytes], hint: bytes = b""
    ) -> None:
        self._router = router
        self._prompt = prompt
        self._header = header
        self._hint = hint
        self._hinted = self._refused = self._without = False

    def url(self, url: str) -> str:
        """Where it goes."""
        return url

    def headers(self, headers: Headers) -> Headers:
        """The headers it goes with; a session that the application has named stays."""
        own, _ = self._header
        if any(name.lower() == own.lower() for name, _ in headers):
            return headers
        return (*headers, self._header)

    def content(self, content: bytes) -> bytes:
        """The body it goes with; it is let alone where the application says such things itself."""
        self._hinted = False
        if not self._hint or self._without:
            return content
        found = hinted(content, self._hint)
        self._hinted = found is not content
        return found

    def refuses(self, status: int) -> bool:
        """Whether it is to be made again as it was, without what was added."""
        if self._hinted:
            self._refused = status in _NOT_UNDERSTOOD
            return self._refused
        if self._without and 200 <= status < 300:
            self._router.not_understood()
        return False

    def ends(self, usage: Usage | None = None, first: float | None = None) -> None:
        """Its answer has come to its end."""
        if usage is not None:
            self._router.answered(self._prompt, usage.completion_tokens)

    def drops(self) -> None:
        """Nobody wants to know."""

    def breaks(self) -> None:
        """Nobody wants to know."""

    def fails(self, seconds: float | None = None) -> bool:
        """There is no other one; without what was added it may be tried again."""
        again, self._refused = self._refused, False
        self._without = self._without or again
        return again


__all__ = ["AtReplica", "Chooses", "InSession", "Told"]

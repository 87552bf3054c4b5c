"""The replicas of one model: where each request goes, and what is heard of how it fared."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final
from urllib.parse import urlsplit

from ayo_bridge.engines.declared import Servers
from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.engines.openai_http.prompts import prompt_of, work_of
from ayo_bridge.engines.openai_http.replica_checks import Check
from ayo_bridge.engines.openai_http.request import Headers
from ayo_bridge.schedule.prefixes import PrefixGroups
from ayo_bridge.schedule.routing import Prompt, Router, Routing, Sent
from ayo_bridge.seam import EngineKind, Routes, Sending, Usage, new_rlock

_BY_PROMPT: Final = (Routing.PREFIX, Routing.LEAST_DELAY)
"""They want to know prompts, and what others have sent to a replica."""
_REST: Final = (1.0, 30.0)
"""Seconds for which a replica that says 503 is left out, at least and at most."""
Start = Callable[[Check], Future[Any]]
"""Runs a check of the replicas on the runtime's loop."""


class Replicas(Routes):
    """The replicas of a declared model. Thread-safe.

    Args:
        declared: what the user says.
        clock: seconds.
        start: runs checks in the background.
    """

    def __init__(self, declared: Servers, clock: Callable[[], float], start: Start) -> None:
        self.declared = declared
        self.servers = tuple(origin(url) for url in declared.urls)
        self._numbers = {server: number for number, server in enumerate(self.servers)}
        self._clock = clock
        self._start = start
        self._places = [urlsplit(url)[:2] for url in declared.urls]
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew: what is on its way in the parent is the parent's."""
        self._lock = new_rlock()  # A reply may be collected, and so end, at any allocation.
        self._router = Router(len(self.servers), Routing(self.declared.routing))
        self._groups = PrefixGroups()
        self._sessions = os.urandom(6).hex()
        self._watching: Future[Any] | None = None

    @property
    def external(self) -> bool:
        """Whether a router at the one URL chooses."""
        return self._router.routing is Routing.EXTERNAL

    def sending(
        self, server: str, body: bytes | Mapping[str, Any], *, warm: bool = False
    ) -> Sending:
        """Choose where a request goes that was made for ``host:port``."""
        known = self.external or self._router.routing in _BY_PROMPT
        prompt = self._prompt(body, warm) if known else Prompt(warm=warm)
        if self.external:
            with self._lock:
                group = self._groups.group(prompt.chain, warm=warm)
            return _InSession(self.declared.session, f"{self._sessions}-{group}")
        sending = _AtReplica(self, self._numbers.get(server, 0), prompt)
        if self._router.routing in _BY_PROMPT:
            self._watch()
        return sending

    def _prompt(self, body: bytes | Mapping[str, Any], warm: bool) -> Prompt:
        llm = self.declared.kind is EngineKind.LLM
        return prompt_of(body, warm=warm) if llm else work_of(body)

    def up(self) -> tuple[bool, ...]:
        """Whether each of them takes requests, as far as is known."""
        with self._lock:
            now = self._clock()
            return tuple(self._router.is_up(n, now) for n in range(len(self.servers)))

    def requests(self) -> tuple[int, ...]:
        """How many each of them has on its way, those of others among them where that is known."""
        with self._lock:
            return tuple(self._router.sequences(n) for n in range(len(self.servers)))

    # What requests on their way ask and tell.

    def _choose(self, prompt: Prompt, tried: Mapping[int, object], own: int) -> Sent | None:
        with self._lock:
            now = self._clock()
            number = self._router.choose(prompt, now, tried)
            if number is None and own not in tried:
                number = own  # Its failure is what the original is to see.
            return None if number is None else self._router.begins(number, prompt, now)

    def _ends(self, sent: Sent, usage: Usage | None, first: float | None) -> None:
        with self._lock:
            self._router.ends(sent, self._clock(), usage, first)

    def _drops(self, sent: Sent) -> None:
        with self._lock:
            self._router.drops(sent, self._clock())

    def _fails(self, sent: Sent, seconds: float | None) -> None:
        with self._lock:
            now = self._clock()
            self._router.drops(sent, now)
            if seconds is None:
                self._router.fails(sent.replica, now)
            else:
                self._router.rests(sent.replica, now, min(max(seconds, _REST[0]), _REST[1]))
        if seconds is None:
            self._watch()

    # Checks.

    def _watch(self) -> None:
        """Look after the replicas, as long as they are in use or one of them is down."""
        if self._watching is not None and not self._watching.done():
            return
        with self._lock:
            if self._watching is not None and not self._watching.done():
                return
            self._watching = self._start(
                Check(self.declared.urls, self.down, self.busy, self.heard)
            )

    def down(self) -> list[int]:
        """The replicas that have failed and were not seen to answer since."""
        with self._lock:
            return [n for n in range(len(self.servers)) if self._router.is_down(n)]

    def busy(self) -> list[int]:
        """Those that have requests of ours, where it matters what others have sent there."""
        if self._router.routing not in _BY_PROMPT:
            return []
        with self._lock:
            return [n for n in range(len(self.servers)) if self._router.sequences(n)]

    def heard(self, number: int, sequences: int | None) -> None:
        """A replica answers; it has so many sequences in all, if it says that."""
        with self._lock:
            if self._router.is_down(number):
                self._router.returns(number)
            if sequences is not None:
                self._router.seen(number, sequences)


class _AtReplica(Sending):
    """A request that goes to one of the replicas."""

    def __init__(self, replicas: Replicas, own: int, prompt: Prompt) -> None:
        self._replicas = replicas
        self._own = own
        self._prompt = prompt
        self._tried: dict[int, None] = {}
        sent = replicas._choose(prompt, self._tried, own)
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
        return self._replicas._clock() - self._sent.began

    def url(self, url: str) -> str:
        """Where it goes now."""
        if self.own:
            return url
        scheme, netloc = self._replicas._places[self._sent.replica]
        return urlsplit(url)._replace(scheme=scheme, netloc=netloc).geturl()

    def headers(self, headers: Headers) -> Headers:
        """The headers it goes with: the host is the replica's."""
        if self.own:
            return headers
        host = self._replicas._places[self._sent.replica][1].encode("ascii")
        return tuple((name, host if name.lower() == b"host" else v) for name, v in headers)

    def ends(self, usage: Usage | None = None, first: float | None = None) -> None:
        """Its answer has come to its end."""
        if not self._over:
            self._over = True
            self._replicas._ends(self._sent, usage, first)

    def drops(self) -> None:
        """It was given up, or its answer broke off."""
        if not self._over:
            self._over = True
            self._replicas._drops(self._sent)

    def fails(self, seconds: float | None = None) -> bool:
        """Its replica was not reached: it goes to the next, and last to its own address."""
        self._replicas._fails(self._sent, seconds)
        self._tried[self._sent.replica] = None
        sent = self._replicas._choose(self._prompt, self._tried, self._own)
        if sent is None:
            self._over = True
            return False
        self._sent = sent
        return True

    def __del__(self) -> None:
        self.drops()


class _InSession(Sending):
    """A request to a router, which is told of which session it is."""

    own = True
    seconds = 0.0

    def __init__(self, header: str, session: str) -> None:
        self._header = header.encode("ascii")
        self._session = session.encode("ascii")

    def url(self, url: str) -> str:
        """Where it goes."""
        return url

    def headers(self, headers: Headers) -> Headers:
        """The headers it goes with; a session that the application has named stays."""
        if any(name.lower() == self._header.lower() for name, _ in headers):
            return headers
        return (*headers, (self._header, self._session))

    def ends(self, usage: Usage | None = None, first: float | None = None) -> None:
        """Nobody wants to know."""

    def drops(self) -> None:
        """Nobody wants to know."""

    def fails(self, seconds: float | None = None) -> bool:
        """There is no other one."""
        return False


__all__ = ["Replicas"]

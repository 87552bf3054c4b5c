"""The replicas of one model: where each request goes, and what is heard of how it fared."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from ayo_bridge.engines.declared import LLM, Hints, Servers
from ayo_bridge.engines.openai_http.address import origin
from ayo_bridge.engines.openai_http.hints import hint_of
from ayo_bridge.engines.openai_http.prompts import fields_of, prompt_of, work_of
from ayo_bridge.engines.openai_http.replica_checks import Check
from ayo_bridge.engines.openai_http.request import Headers, caller_of
from ayo_bridge.engines.openai_http.sendings import AtReplica, InSession
from ayo_bridge.events import Event, Facts, log
from ayo_bridge.schedule.expected import Expected
from ayo_bridge.schedule.prefix_groups import PrefixGroups
from ayo_bridge.schedule.routing import Prompt, Router, Routing, Sent
from ayo_bridge.seam import EngineKind, Foreseen, Routes, Sending, Usage, new_rlock

_logger: Final = logging.getLogger(__name__)
_BY_PROMPT: Final = (Routing.PREFIX, Routing.LEAST_DELAY)
"""They want to know prompts, and what others have sent to a replica."""
_REST: Final = (1.0, 30.0)
"""Seconds for which a replica that says 503 is left out, at least and at most."""
_TRIES: Final = 4
"""Replicas that a request is shown to, before its own address is to say what becomes of it."""
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
        self._urls = list(declared.urls)
        """Those that were removed are kept: requests are on their way there, or made for them."""
        self._numbers = {origin(url): number for number, url in enumerate(self._urls)}
        self._clock = clock
        self._start = start
        named = (json.dumps(declared.model, ensure_ascii=escape) for escape in (True, False))
        self._named = tuple(name.encode() for name in named)
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew: what is on its way in the parent is the parent's."""
        self._lock = new_rlock()  # A reply may be collected, and so end, at any allocation.
        self._news: deque[tuple[Callable[[float], object], float]] = deque()
        self._settling = False
        self._router = Router(len(self._urls), Routing(self.declared.routing))
        for number, url in enumerate(self._urls):
            if url not in self.declared.urls:
                self._router.removes(number)
        self._stayed: Counter[str] = Counter()
        self._groups = PrefixGroups()
        self._expected = Expected()
        self._hints = self._told()
        self._sessions = os.urandom(6).hex()
        self._watching: Future[Any] | None = None

    @property
    def external(self) -> bool:
        """Whether a router at the one URL chooses."""
        return self._router.routing is Routing.EXTERNAL

    @property
    def servers(self) -> tuple[str, ...]:
        """``host:port`` of each, those that were removed among them."""
        return tuple(self._numbers)

    def has(self, server: str) -> bool:
        """Whether one of this ``host:port`` is there, and was not removed."""
        return self._urls[self._numbers[server]] in self.declared.urls

    def changes(self, declared: Servers) -> None:
        """There are others from now on; what is on its way runs on."""
        with self._alone():
            self.declared = declared
            for url in declared.urls:
                if url not in self._urls:
                    self._numbers[origin(url)] = self._router.add()
                    self._urls.append(url)
                elif self._router.is_gone(self._urls.index(url)):
                    self._router.restores(self._urls.index(url))
            for number, url in enumerate(self._urls):
                if url not in declared.urls:
                    self._router.removes(number)

    def stays(self, reason: str) -> None:
        """A request goes where it was made for, and is shown to no replica: why."""
        self._stayed[reason] += 1
        if self._stayed[reason] == 1:
            model = self.declared.model
            sentence = f"requests for {model} go to the application's own address alone: {reason}"
            log(_logger, Event.LEFT_ALONE, sentence, Facts(engine=model, reason=reason))

    def stayed(self) -> Mapping[str, int]:
        """How many requests have gone where they were made for, by reason."""
        return dict(self._stayed)

    @property
    def tells(self) -> bool:
        """Whether a router is told what is expected of each request."""
        return self._hints is not Hints.NONE

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

        ``None``: it is for another model of that server.
        """
        known = self.external or self._router.routing in _BY_PROMPT
        if self.declared.kind is not EngineKind.LLM:  # Some of their requests name no model.
            prompt = work_of(body) if known else Prompt(warm=warm)
        else:
            fields = fields_of(body) if known or not isinstance(body, bytes) else None
            if not self._is_for_us(body if fields is None else fields):
                return None
            prompt = Prompt(warm=warm)
            if known and fields is not None:
                prompt = prompt_of(fields, warm=warm)
        if self.external:
            return self._in_session(replace(prompt, foreseen=foreseen))
        prompt = replace(prompt, caller=caller_of(headers))
        sending = AtReplica(self, self._numbers.get(server, 0), prompt)
        if self._router.routing in _BY_PROMPT:
            self._watch()
        return sending

    def _in_session(self, prompt: Prompt) -> Sending:
        with self._alone() as now:
            session = f"{self._sessions}-{self._groups.group(prompt.chain, warm=prompt.warm)}"
            expected = self._expected.asks(prompt, now) if self.tells else None
        hint = b"" if expected is None else hint_of(self._hints, session, expected)
        header = self.declared.session.encode("ascii"), session.encode("ascii")
        return InSession(self, prompt, header, hint)

    def answered(self, prompt: Prompt, output: int) -> None:
        """An answer had so many tokens."""
        if self.tells:
            self._hear(lambda now: self._expected.ended(prompt, output))

    def not_understood(self) -> None:
        """A request was refused for what was added to it: nothing is from now on."""
        self._hints = Hints.NONE
        self.stays(f"the router does not take {self._told()}")

    def _told(self) -> Hints:
        """What the user wants a router to be told."""
        return Hints(self.declared.hints) if isinstance(self.declared, LLM) else Hints.NONE

    def _is_for_us(self, body: bytes | Mapping[str, Any]) -> bool:
        if isinstance(body, bytes):  # A quotation mark inside of a text has a backslash before it.
            return any(name in body for name in self._named)
        return body.get("model") == self.declared.model

    def up(self) -> tuple[bool, ...]:
        """Whether each of them takes requests, as far as is known."""
        with self._alone() as now:
            return tuple(self._router.takes(n, now) for n in range(len(self._urls)))

    def requests(self) -> tuple[int, ...]:
        """How many of this process are on their way to each: those of several may be added up."""
        with self._alone():
            return tuple(self._router.own(n) for n in range(len(self._urls)))

    # What requests on their way ask and tell.

    @contextmanager
    def _alone(self) -> Iterator[float]:
        """Nobody else changes anything, the garbage collector of this thread neither."""
        with self._lock:
            self._settle()
            inside, self._settling = self._settling, True
            try:
                yield self._clock()
            finally:
                self._settling = inside

    def _hear(self, news: Callable[[float], object]) -> None:
        """A request has ended, perhaps as the collector sees, in the midst of what goes on here."""
        self._news.append((news, self._clock()))
        with self._lock:
            self._settle()

    def _settle(self) -> None:
        if self._settling:
            return  # Whoever is at it is further up on this thread.
        self._settling = True
        try:
            while self._news:
                news, when = self._news.popleft()
                news(when)
        finally:
            self._settling = False

    def chosen(self, prompt: Prompt, tried: Mapping[int, object], own: int) -> Sent | None:
        """Where a request goes now; ``None``: nowhere any more."""
        with self._alone() as now:
            many = len(tried) >= _TRIES
            number = None if many else self._router.choose(prompt, now, tried)
            if number is None and own not in tried:
                number = own  # Its failure is what the original is to see.
            elif number is None and not many:
                number = self._router.rather(prompt, now, tried)
            return None if number is None else self._router.begins(number, prompt, now)

    def url(self, sent: Sent) -> str:
        """The base URL to which it goes."""
        return self._urls[sent.replica]

    def since(self, sent: Sent) -> float:
        """Seconds since it was sent."""
        return self._clock() - sent.began

    def ended(self, sent: Sent, usage: Usage | None, first: float | None) -> None:
        """Its answer has come to its end."""
        self._hear(lambda now: self._router.ends(sent, now, usage, first))

    def dropped(self, sent: Sent) -> None:
        """It was given up."""
        self._hear(lambda now: self._router.gives_up(sent, now))

    def broken(self, sent: Sent) -> None:
        """Its answer broke off."""

        def broken(now: float) -> None:
            self._router.drops(sent, now)
            self._router.fails(sent.replica, now, sent.began)

        self._hear(broken)
        self._watch()

    def failed(self, sent: Sent) -> None:
        """Its replica was not reached."""
        with self._alone() as now:
            self._router.misses(sent, now)
        self._watch()

    def rests(self, sent: Sent, seconds: float, *, caller: bool) -> None:
        """Its replica takes nothing for so many seconds; ``caller``: of who made it."""
        seconds = min(max(seconds, _REST[0]), _REST[1])
        with self._alone() as now:
            self._router.drops(sent, now)
            if caller:
                self._router.limits(sent, now, seconds)
            else:
                self._router.rests(sent.replica, now, seconds)

    def refused(self, sent: Sent) -> None:
        """Its replica does not take it, for whatever reason."""
        with self._alone() as now:
            self._router.drops(sent, now)

    def taken(self, sent: Sent) -> None:
        """Its replica takes it."""
        if not self._router.takes_already(sent):
            with self._alone():
                self._router.is_taken(sent)

    def is_strange(self, sent: Sent) -> None:
        """Another one has taken it, whose caller its replica does not know."""
        with self._alone() as now:
            self._router.refuses(sent, now)
            down = self._router.is_down(sent.replica)
        if down:
            self._watch()

    def is_otherwise(self, sent: Sent) -> None:
        """Another one has taken what its replica has refused: that is set up otherwise."""
        with self._alone() as now:
            self._router.fails(sent.replica, now, sent.began)
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
                Check(self._urls, self.down, self.busy, self.heard, self.lost)
            )

    def down(self) -> list[int]:
        """The replicas that have failed and were not seen to answer since."""
        with self._alone():
            return [n for n in range(len(self._urls)) if self._router.is_down(n)]

    def busy(self) -> list[int]:
        """Those that have requests of ours, where it matters what others have sent there."""
        if self._router.routing not in _BY_PROMPT:
            return []
        with self._alone():
            return [n for n in range(len(self._urls)) if self._router.sequences(n)]

    def lost(self, number: int) -> None:
        """A replica takes connections and answers nothing, while most others are well."""
        with self._alone() as now:
            up = sum(self._router.is_up(n, now) for n in range(len(self._urls)))
            if 2 * up > len(self.declared.urls):  # Else all have too much to do.
                self._router.fails(number, now)

    def heard(self, number: int, sequences: int | None) -> None:
        """A replica answers; it has so many sequences in all, if it says that."""
        with self._alone() as now:
            if self._router.is_down(number):
                self._router.returns(number, now)
            if sequences is not None:
                self._router.seen(number, sequences)


__all__ = ["Replicas"]

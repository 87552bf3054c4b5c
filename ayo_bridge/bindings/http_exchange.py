"""One request of the original at the boundary of an engine, from there to its response.

It may find its reply computed ahead. It may have to be sent; then a refusal that work ahead has
caused is kept from the caller, by sending again what the server would have taken without it.
"""

from __future__ import annotations

import abc
import asyncio
import time
from collections.abc import Callable, Hashable
from concurrent.futures import wait
from functools import partial
from typing import Any, Final

from ayo_bridge.bindings.endpoints import Addressed
from ayo_bridge.bindings.followed_http import boundary_call
from ayo_bridge.bindings.following import FollowedObservation
from ayo_bridge.bindings.http_asked import Asked
from ayo_bridge.bindings.http_replies import Player, Watch
from ayo_bridge.bindings.http_steps import Again, Await, Replay, Request, Step, Steps
from ayo_bridge.bindings.http_tries import Tries
from ayo_bridge.bindings.openai_sdk import answered
from ayo_bridge.engines.openai_http.errors import BUSY, TOO_OFTEN
from ayo_bridge.engines.openai_http.reply import Reply
from ayo_bridge.engines.openai_http.request import caller_of, canonical_key
from ayo_bridge.engines.openai_http.sent import retry_after
from ayo_bridge.seam import Follower, Hit, Observation, Outcome, Scope, Sending, Ticket, Told

PATIENCE: Final = 0.25
"""Seconds for which a refusal is kept from the caller once no work ahead is on its way, at least:
so long a server may take to notice that."""
_FIRST_PAUSE: Final = 0.01

Send = Callable[[], Any]
"""Sends the request of the original, as often as it is called."""


_Followed = tuple[Follower, object] | None
"""Who follows a call, and what its end is told by."""


class Exchange(Tries):
    """One request that is for an engine; what differs between HTTP libraries is abstract."""

    def __init__(self, scope: Scope, call: Addressed, asked: Asked) -> None:
        super().__init__(scope, call, asked)
        self._load = scope.runtime.load(call.endpoint.server)

    # The two ways of waiting.

    def run(self, send: Send) -> Any:
        """The response, for a client that blocks."""
        steps = self._steps(awaited=False)
        answer: Callable[[], Any] = lambda: next(steps)  # noqa: E731
        while True:
            try:
                step = answer()
            except StopIteration as end:
                return end.value
            finally:
                del answer  # An error that leaves by here keeps this frame: not the frame it.
            try:
                result = self._done(step, send)
            except BaseException as error:
                answer = _thrown(steps, error)
            else:
                answer = _sent(steps, result)

    def _done(self, step: Step, send: Send) -> Any:
        if isinstance(step, Request):
            return send()
        if isinstance(step, Await):
            return step.ticket.wait(step.seconds)
        if isinstance(step, Replay):
            return self._replayed(step.player)
        self._give_back(step.response)
        if step.completion is None:
            time.sleep(step.seconds or 0.0)
        else:
            wait([step.completion], step.seconds)
        return None

    async def arun(self, send: Send) -> Any:
        """The response, for a client on asyncio."""
        steps = self._steps(awaited=True)
        answer: Callable[[], Any] = lambda: next(steps)  # noqa: E731
        while True:
            try:
                step = answer()
            except StopIteration as end:
                return end.value
            finally:
                del answer  # An error that leaves by here keeps this frame: not the frame it.
            try:
                result = await self._adone(step, send)
            except BaseException as error:
                answer = _thrown(steps, error)
            else:
                answer = _sent(steps, result)

    async def _adone(self, step: Step, send: Send) -> Any:
        if isinstance(step, Request):
            return await send()
        if isinstance(step, Await):
            return await step.ticket.wait_async(step.seconds)
        if isinstance(step, Replay):
            return await self._areplayed(step.player)
        await self._agive_back(step.response)
        if step.completion is None:
            await asyncio.sleep(step.seconds or 0.0)
        else:
            await asyncio.wait([asyncio.wrap_future(step.completion)], timeout=step.seconds)
        return None

    # What happens.

    def _steps(self, *, awaited: bool) -> Steps:
        scope, handle = self._scope, self._begun()
        key = self._key()
        ticket = scope.claim(key) if key is not None else None
        waited = 0.0
        if ticket is not None:
            self._note_names()
            began = time.perf_counter()
            try:
                hit = yield Await(ticket, self._asked.read)
            except TimeoutError:
                scope.stumbled(self._call.endpoint.server)
                raise self._timed_out(awaited) from None
            reply = hit.value if isinstance(hit, Hit) else None
            if isinstance(reply, Reply) and not _broken_off(reply, ticket):
                _told(handle, reply)
                player = Player(
                    *(reply, ticket.record, scope.runtime.profiles),
                    *(self._asked.read, self._call.endpoint.dialect),
                )
                return (yield Replay(player))
            waited = time.perf_counter() - began
        elif key is not None:
            self._compare()
        elif handle is not None:
            self._note_names()
        return (yield from self._direct(key, waited, awaited, handle))

    def _begun(self) -> _Followed:
        """Tell who follows the scope; ``None``: nobody does, or not this call."""
        follower = self._scope.follower
        if follower is None:
            return None
        call = boundary_call(self._call, self._asked, priority=self._scope.runtime.priority)
        return None if call is None else (follower, follower.begin(call))

    def _direct(self, key: Hashable, waited: float, awaited: bool, followed: _Followed) -> Steps:
        call, load, scope = self._call, self._load, self._scope
        observation = scope.direct(call.engine, call.endpoint.kind, key, items=call.items)
        told: Told | None = None
        if followed is not None:
            observation = FollowedObservation(observation, *followed)
            told = observation.grows
        if waited > 0:  # In this time the original would have heard what work ahead has heard.
            self._shorten(waited)
        query = scope.asks(call.endpoint.server)
        load.begins(query)
        sending = self._routed(observation.record)
        try:
            response = yield from self._asked_for(sending)
            if self._status(response) in BUSY and load.disturbed and self._repeatable:
                response = yield from self._patient(response, sending)
        except BaseException as error:
            load.ends(query)
            if sending is not None:
                sending.drops()
            self._failed(observation, error)
            raise
        head = self._head(response)
        if head.status >= 400:
            scope.stumbled(call.endpoint.server)
        elif head.status < 300:
            load.taken(self._caller)
            answered()
        dialect = call.endpoint.dialect
        learn = scope.runtime.profiles if dialect.tokens is not None else None
        ends = partial(load.ends, query)
        watch = Watch(head, observation, learn, ends, told, dialect, sending)
        return self._watched(response, watch, awaited)

    def _failed(self, observation: Observation, error: BaseException) -> None:
        observation.failed(error)
        if isinstance(error, Exception):
            self._scope.stumbled(self._call.endpoint.server)

    def _patient(self, response: Any, sending: Sending | None) -> Steps:
        """A refusal that work ahead may have caused is ours to deal with: ask again.

        First after each call ahead that ends of those that were there, for as long as the client
        itself would wait; then at growing distances, for no longer than work ahead has won in this
        call, and a little. What is refused after that would have been refused without us.
        """
        clock, load = time.perf_counter, self._load
        read, began, until = self._asked.read, clock(), None
        pause = _FIRST_PAUSE
        load.refused(self._caller() if self._status(response) == TOO_OFTEN else None)
        there = load.went_ahead
        while self._status(response) in BUSY:
            completion = load.completion() if there > 0 else None
            there -= 1
            if completion is not None:
                seconds = None if read is None else began + read - clock()
                if seconds is not None and seconds <= 0:
                    break
            else:
                until = until or clock() + max(PATIENCE, self._scope.lead)
                seconds = max(pause, retry_after(self._head(response).headers))
                if clock() + seconds > until:
                    break
                pause *= 2
            yield Again(response, completion, seconds)
            response = yield Request()
        return response

    # Details.

    def _caller(self) -> Hashable:
        """For whom it is made, as the request is when it is sent first."""
        return caller_of(self._asked.headers())

    def _key(self) -> Hashable:
        """The key of the request, or ``None`` if it cannot be equal to one made ahead."""
        asked, scope = self._asked, self._scope
        if scope.quiet or not (self._call.registered or scope.follower is not None):
            return None
        content, way = asked.content, asked.way()
        if isinstance(way, str) or content is None:
            return None
        if self._call.endpoint.dialect.streams_unless_told and b'"stream"' not in content:
            return None  # It has the key of one that says that it does not stream.
        try:
            return canonical_key(asked.url, asked.headers(), content, way)
        except ValueError:
            return None

    # What differs between libraries.

    _repeatable = True
    """Whether the request may be sent again."""

    def _note_names(self) -> None:
        """Note what headers the original names with it: an SDK's methods add some of their own."""

    @abc.abstractmethod
    def _compare(self) -> None:
        """Hold the request against what an SDK would have built in its place."""

    @abc.abstractmethod
    def _shorten(self, waited: float) -> None:
        """Let the request have what is left of its time."""

    @abc.abstractmethod
    def _timed_out(self, awaited: bool) -> Exception:
        """What the library raises where no reply has come in time."""

    @abc.abstractmethod
    def _watched(self, response: Any, watch: Watch, awaited: bool) -> Any:
        """The response, whose bytes are noted as they pass."""

    def _replayed(self, player: Player) -> Any:
        """A response of the library, as its own transport would have returned it."""
        raise NotImplementedError

    async def _areplayed(self, player: Player) -> Any:
        """Like :meth:`_replayed`, for asyncio."""
        raise NotImplementedError

    def _give_back(self, response: Any) -> None:
        """Let go of a response unread."""
        raise NotImplementedError

    async def _agive_back(self, response: Any) -> None:
        """Let go of a response unread, for asyncio."""
        raise NotImplementedError


def _sent(steps: Steps, result: Any) -> Callable[[], Any]:
    return partial(steps.send, result)


def _thrown(steps: Steps, error: BaseException) -> Callable[[], Any]:
    return partial(steps.throw, error)  # No frame of ours holds the error.


def _told(followed: _Followed, reply: Reply) -> None:
    """Have who follows hear of a reply made ahead once it is complete."""
    if followed is not None:
        follower, handle = followed
        reply.body.on_end(lambda: follower.end(handle, reply))


def _broken_off(reply: Reply, ticket: Ticket) -> bool:
    """Whether a stream ahead has failed before anybody has read it: then it is as none."""
    error = reply.body.error
    if error is not None:
        ticket.record.outcome, ticket.record.error = Outcome.DROPPED, repr(error)
    return error is not None

"""Drives one e-graph: what is ready becomes calls, and what has ended becomes values.

Two are driven so: what runs ahead of an original, and the queries of native workflows. They differ
in who serves a primitive, in what an error means, and in how it ends.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable, Iterable
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Generic, Protocol, TypeVar, cast

from ayo_bridge.graph import Op, Primitive
from ayo_bridge.schedule.engine_scheduler import EngineScheduler
from ayo_bridge.schedule.foreseeing import foreseen
from ayo_bridge.schedule.graph_scheduler import GraphScheduler
from ayo_bridge.schedule.request import Request
from ayo_bridge.schedule.work import Handler, Values, Work
from ayo_bridge.seam import Call, EngineCall

W = TypeVar("W", bound=Work)
O = TypeVar("O")  # noqa: E741


class Schedulers(Protocol):
    """What driving asks of the runtime."""

    def clock(self) -> float:
        """Seconds."""

    def scheduler(self, engine: str) -> EngineScheduler:
        """The scheduler of a registered engine."""

    def observe(self, request: Request) -> None:
        """Learn from a call that has ended."""


@dataclass(slots=True)
class Running(Generic[W, O]):
    """A primitive with its handler and its calls."""

    work: W
    handler: Handler[W, O]
    left: int = 0
    """How many calls have not ended."""
    futures: list[Future[object]] = field(default_factory=list)
    """The results, in the order of the calls."""
    requests: list[Request] = field(default_factory=list)

    def let_go(self) -> None:
        """Nobody takes the results from here any more.

        A future keeps whom it has told of its end: what is kept here would be kept until the
        collector comes.
        """
        self.futures, self.requests = [], []


class Driver(ABC, Generic[W, O]):
    """Dispatches the primitives of one e-graph and takes in what they make.

    Events come from any thread if there is a ``lock``, which guards the state of the graph; without
    one :meth:`_follow` has to bring them to where the graph is driven.

    Args:
        home: where the engines are.
        tier: the graph.
        number, since: of the query, and when it began.
        program: equal for all queries of the same one.
    """

    def __init__(
        self,
        home: Schedulers,
        tier: GraphScheduler,
        number: int,
        since: float,
        lock: AbstractContextManager[object] | None = None,
        program: Hashable = None,
    ) -> None:
        self.number = number
        self._program = program
        self._home = home
        self._tier = tier
        self._since = since
        self._lock = lock or nullcontext()
        self._requests: dict[Future[object], Request] = {}

    # What the two say.

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether nothing is to be dispatched or taken in any more."""

    @abstractmethod
    def _running(self, primitive: Primitive) -> Running[W, O] | None:
        """A primitive that begins, with its handler; ``None``: nobody here serves it."""

    @abstractmethod
    def _made(self, call: Call, running: Running[W, O]) -> Future[object]:
        """Have a call made."""

    @abstractmethod
    def _taken(self, running: Running[W, O], outputs: O) -> list[Primitive]:
        """Take in what a primitive has made; returns what became ready."""

    @abstractmethod
    def _failed(self, primitive: Primitive, error: BaseException, reason: str = "") -> None:
        """A call of a primitive has failed; its handler has, if there is a ``reason``."""

    def _answer(self, call: Call, result: object) -> object:
        """The result of a call as its handler takes it."""
        return result

    def _joins(self, primitive: Primitive, before: Running[W, O]) -> bool:
        """Whether a primitive is submitted together with the one ``before`` it, so that they share
        batches."""
        return True

    # Driving.

    def start(self, values: Values) -> None:
        """Give the inputs and dispatch what needs nothing else."""
        with self._lock:
            ready = self._tier.start(values)
        self.advance(ready)

    def feed(self, values: Values) -> None:
        """Give values that somebody else has made, and dispatch what waited for them."""
        if self.over:
            return
        with self._lock:
            ready = self._tier.feed(values)
        self.advance(ready)

    def advance(self, ready: Iterable[Primitive]) -> None:
        """Dispatch what is ready, and what that makes ready, until engines are to be waited for."""
        pending = deque(ready)
        started: list[Running[W, O]] = []
        while pending:
            primitive = pending.popleft()
            if not self._is_over(primitive):
                pending.extend(self._begin(primitive, started))
            if started and not (pending and self._joins(pending[0], started[-1])):
                self._submit(started)
                started = []

    def _is_over(self, primitive: Primitive) -> bool:
        """Whether nothing waits for the primitive any more: it was revoked, or all has ended."""
        return self.over or primitive.id in self._tier.skipped

    def _begin(self, primitive: Primitive, started: list[Running[W, O]]) -> Iterable[Primitive]:
        """Begin a primitive: it is ``started``, or has ended; returns what became ready."""
        doing = "its calls cannot be made"
        try:
            running = self._running(primitive)
            if running is None:
                return ()
            work, handler = running.work, running.handler
            work.sent = handler.calls(work)
            if work.sent:
                running.left = len(work.sent)
                started.append(running)
                return ()
            doing = "its results cannot be used"
            return self._taken(running, handler.outputs(work, ()))
        except Exception as error:
            self._failed(primitive, error, doing)
            return ()

    def _submit(self, started: list[Running[W, O]]) -> None:
        calls = [(running, call) for running in started for call in running.work.sent]
        with ExitStack() as held:
            if len(calls) > 1:
                for engine in dict.fromkeys([call.engine for _, call in calls]):
                    held.enter_context(self._home.scheduler(engine).held())
            for running, call in calls:
                if self._is_over(running.work.primitive):
                    continue
                try:
                    running.futures.append(self._made(call, running))
                except Exception as error:
                    self._failed(running.work.primitive, error, "its calls cannot be made")
        for running in started:
            for future in running.futures:
                self._follow(running, future)

    def _follow(self, running: Running[W, O], future: Future[object]) -> None:
        """Have :meth:`_ended` called, where the graph is driven."""
        future.add_done_callback(partial(self._ended, running))

    def _requested(
        self, call: Call, running: Running[W, O], record: EngineCall | None = None
    ) -> Request:
        """Submit a call to its engine."""
        primitive, tier = running.work.primitive, self._tier
        scheduler = self._home.scheduler(call.engine)
        routes = scheduler.engine.routes
        if routes is not None and routes.tells:
            said = foreseen(tier.graph, primitive, self._program, tier.is_coming, tier.until)
            call = replace(call, foreseen=said)

        def queued(request: Request) -> None:
            running.requests.append(request)
            self._requests[request.future] = request

        return scheduler.submit(
            call,
            query=self.number,
            node=primitive.id,
            depth=tier.depth(primitive.id),
            priority=1 if call.warm else 0,
            serves=primitive.serves,
            since=self._since,
            remaining=tier.remaining(primitive.id),
            left=tier.left(),
            record=record,
            on_done=self._home.observe,
            on_queue=queued,
        )

    # What happens.

    def _ended(self, running: Running[W, O], future: Future[object]) -> None:
        """A call has ended."""
        work = running.work
        primitive = work.primitive
        if self._is_over(primitive):
            running.let_go()
            return
        is_warm = primitive.op is Op.PARTIAL_PREFILLING
        error = error_of(future)
        if error is not None and not is_warm:
            running.let_go()
            self._failed(primitive, error)
            return
        with self._lock:
            running.left -= 1
            futures = running.futures
            if running.left or not futures:
                return
        try:
            if is_warm:  # Nothing depends on whether it has warmed anything.
                outputs = cast(O, {})
            else:
                ended = zip(work.sent, futures, strict=True)
                results = [self._answer(call, future.result()) for call, future in ended]
                outputs = running.handler.outputs(work, results)
            ready = self._taken(running, outputs)
        except Exception as error:
            self._failed(primitive, error, "its results cannot be used")
            return
        finally:
            running.let_go()
        self.advance(ready)

    def _given(self, primitive: Primitive, outputs: Values) -> list[Primitive]:
        """A primitive has ended, and perhaps made values of others; returns what became ready."""
        own = primitive.outputs
        others = {name: value for name, value in outputs.items() if name not in own}
        if others:
            outputs = {name: outputs[name] for name in own if name in outputs}
        with self._lock:
            ready = self._tier.complete(primitive.id, outputs)
            if others:
                ready += self._tier.feed(others)
        return ready


def error_of(future: Future[object]) -> BaseException | None:
    """What a call that has ended failed with, if it did."""
    if future.cancelled():
        return CancelledError("its engine has dropped the call")
    return future.exception()

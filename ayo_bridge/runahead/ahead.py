"""What runs ahead in one call, and where the original finds the results.

Two sides meet here. The *graph side* dispatches primitives as their inputs arrive and puts a
ticket for each call under its key. The *binding side* asks, each time the original reaches an
engine, for the ticket of that exact request. The n-th occurrence of a key is one request, whoever
comes to it first.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future
from functools import partial
from typing import Final, NamedTuple

from ayo_bridge.engines.openai_http.errors import TOO_OFTEN, StatusError
from ayo_bridge.engines.openai_http.request import caller_of_call
from ayo_bridge.graph import Op, Primitive
from ayo_bridge.passes import Decision, part_of
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.failures import failed_ahead
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.joining import JOINER
from ayo_bridge.runahead.offered import Offered
from ayo_bridge.runahead.plan import Maker, Makers, Plan
from ayo_bridge.runahead.tickets import Observation, Ticket, abandon, cancelled
from ayo_bridge.runahead.trials import Trials
from ayo_bridge.runahead.visits import Visits, program_of
from ayo_bridge.schedule import (
    Driver,
    GraphScheduler,
    Request,
    Running,
    Values,
    Work,
    component_op,
)
from ayo_bridge.seam import Call, Engine, EngineCall, EngineKind, Outcome

_MODELS: Final = (EngineKind.EMBEDDING, EngineKind.RERANKER)
_MANY: Final = 512


class _Shared(NamedTuple):
    """A result that serves all calls equal to this one, which is deterministic."""

    call: Call
    kind: EngineKind
    future: Future[object]


class Ahead(Driver[Work, Values]):
    """The run-ahead of a scope that has woken. Thread-safe, under the scope's lock.

    Prediction never harms: what fails here is left to the original.
    """

    _home: Home

    def __init__(
        self, runtime: Home, plan: Plan, record: CallRecord, visits: Visits, lock: threading.RLock
    ) -> None:
        tier = GraphScheduler(plan.e_graph, plan.remaining)
        since, program = record.started, program_of(record)
        super().__init__(runtime, tier, visits.number, since, lock, program)
        self._record = record
        self._closed = False
        self._makers = dict(plan.makers)
        self._planned = set(plan.ahead)
        self._tickets: defaultdict[Hashable, deque[Ticket]] = defaultdict(deque)
        self._direct: defaultdict[Hashable, deque[Observation]] = defaultdict(deque)
        self._coming: defaultdict[Hashable, deque[Observation]] = defaultdict(deque)
        self._shared: dict[Hashable, _Shared] = {}
        self._offers: dict[Ticket, Offered] = {}
        self._claimed: dict[int, Ticket] = {}
        """What the original has come to, by the id of its record."""
        self._visits = visits
        self._trials: dict[str, Trials] = {}
        """Of components that ask so often that parts of the call can be compared."""
        self._stopped: set[str] = set()
        self._client = runtime.client
        self._count = 0

    # The graph side.

    def expand(self, primitive_id: str, plan: Plan, values: Values) -> None:
        """Let the graph grow, in the place of ``primitive_id`` if it has that."""
        with self._lock:
            self._makers.update(plan.makers)
            self._planned |= plan.ahead
            tier = self._tier
            tier.values.update(values)
            known = primitive_id if primitive_id in tier.graph else None
            ready = tier.extend(plan.e_graph, instead_of=known, remaining=plan.remaining)
        self.advance(ready)

    def add_makers(self, makers: Makers) -> None:
        """Let calls of further components be made ahead."""
        with self._lock:
            self._makers.update(makers)

    def run(self, primitive_id: str) -> None:
        """Dispatch one primitive now."""
        with self._lock:
            self._planned.add(primitive_id)
            found = self._tier.graph.primitives.get(primitive_id)
        if found is not None:
            self.advance([found])

    def ask(
        self, primitive_id: str, make: Callable[[], Call], then: Callable[[Future[object]], object]
    ) -> bool:
        """Make a call of a primitive whose calls become known one by one; ``False``: no more."""
        found = self._tier.graph[primitive_id]
        server = self._home.scheduler(found.engine).engine.server
        if self._closed or server in self._stopped:
            return False
        began, before = time.thread_time(), self._count
        call = make()
        if server and found.component not in self._trials:
            kind, clock = (self._visits.kind, found.component), self._home.clock
            load, caller = self._home.load(server), caller_of_call(call)
            self._trials[found.component] = Trials(load, kind, clock, caller)
        running = Running(Work(found, self._tier.values, self.feed), JOINER)
        self._made(call, running).add_done_callback(then)
        self._client.built(self._count - before, time.thread_time() - began)
        if len(self._requests) > _MANY:
            with self._lock:  # What has been used need not be kept to the end.
                self._requests = {f: r for f, r in self._requests.items() if not _is_used(r)}
        return True

    def knows(self, value: str) -> bool:
        """Whether a graph value is there already."""
        return value in self._tier.values

    @property
    def over(self) -> bool:
        """Whether the scope has closed."""
        return self._closed

    def advance(self, ready: Iterable[Primitive]) -> None:
        """Dispatch what is ready; what the calls of it cost is measured."""
        began, before = time.thread_time(), self._count
        super().advance(ready)
        self._client.built(self._count - before, time.thread_time() - began)

    def _running(self, primitive: Primitive) -> Running[Work, Values] | None:
        maker: Maker | None = None
        if primitive.op is Op.AGGREGATE:
            maker = JOINER
        elif primitive.id in self._planned:
            maker = self._makers.get(component_op(primitive))
        if maker is None:
            return None
        tier = self._tier
        part = part_of(tier.graph, primitive)
        return Running(Work(primitive, tier.values, self.feed, part), maker)

    def _joins(self, primitive: Primitive, before: Running[Work, Values]) -> bool:
        """Calls of one model of this process share a batch; what goes to a server starts before the
        calls of the rest are made, which takes time."""
        engine = before.work.primitive.engine
        return primitive.engine == engine and not self._home.scheduler(engine).engine.server

    def _taken(self, running: Running[Work, Values], outputs: Values) -> list[Primitive]:
        primitive = running.work.primitive
        if self._closed or (primitive.outputs and not outputs):
            return []
        return self._given(primitive, outputs)

    def _failed(self, primitive: Primitive, error: BaseException, reason: str = "") -> None:
        """The original goes its own way."""
        entry, engine = self._record.entry, primitive.engine
        failed_ahead(self._home, entry, engine, error, made=not reason)
        if reason:
            reason = f"{reason} ahead: {error!r}"
            self._record.note_decision(Decision("run-ahead", (primitive.id,), False, reason, None))

    def _made(self, call: Call, running: Running[Work, Values]) -> Future[object]:
        """Have a call run ahead, unless the original has come to this occurrence already."""
        engine = self._home.scheduler(call.engine).engine
        with self._lock:
            if self._closed or engine.server in self._stopped:
                return cancelled()
            done_already = self._direct.get(call.key)
            if done_already:
                return self._share(call, engine, done_already.popleft().future())
            record = self._recorded(call, engine, running)
            if (shared := self._shared.get(call.key)) is not None:
                return self._again(shared, record)
            if not engine.server:
                return self._here(call, running, record, engine)
        return self._there(call, running, record, engine)

    def _recorded(self, call: Call, engine: Engine, running: Running[Work, Values]) -> EngineCall:
        return EngineCall(
            running.work.primitive.id,
            call.engine,
            engine.kind,
            call.key,
            Outcome.WARM if call.warm else Outcome.AHEAD,
            self._home.clock(),
            items=call.items,
        )

    def _share(self, call: Call, engine: Engine, future: Future[object]) -> Future[object]:
        """Keep the result of a call for those equal to it, if it is deterministic."""
        if call.deterministic:
            self._shared[call.key] = _Shared(call, engine.kind, future)
        return future

    def _again(self, shared: _Shared, record: EngineCall) -> Future[object]:
        """Have a result that is there already, or on its way, serve once more. The lock is held."""
        self._record.note_call(record)
        record.started = record.ended = record.queued
        again = Ticket(self._home.clock, shared.future, record, shared.call)
        self._tickets[shared.call.key].append(again)
        return shared.future

    def _here(
        self, call: Call, running: Running[Work, Values], record: EngineCall, engine: Engine
    ) -> Future[object]:
        """Have an engine of this process make a call. The lock is held."""
        self._record.note_call(record)
        self._count += 1
        request = self._requested(call, running, record)
        future = self._share(call, engine, request.future)
        if not call.warm:
            # The original's threads would work side by side; here they shall not queue for one.
            run_here = partial(request.scheduler.run_queued, request)
            hurry = run_here if call.group is None and engine.kind in _MODELS else None
            self._tickets[call.key].append(Ticket(self._home.clock, future, record, call, hurry))
        return future

    # Servers that others share.

    def _there(
        self, call: Call, running: Running[Work, Values], record: EngineCall, engine: Engine
    ) -> Future[object]:
        """Have a call made at a server as soon as its limit allows that."""
        server = engine.server
        load, trials = self._home.load(server), self._trials.get(running.work.primitive.component)

        def start() -> Request | None:
            with self._lock:
                if self._closed or server in self._stopped:
                    return None
                record.queued = self._home.clock()
                self._record.note_call(record)
                if trials is not None and not call.warm:
                    offered.on_left = trials.sent(waited=offered.held)
                return self._requested(call, running, record)

        warm, caller = record if call.warm else None, caller_of_call(call)
        offered = Offered(
            *(load, self._visits.asks(load), start),
            lambda error: self._fallen(server, error, caller, warm),
            warm=call.warm,
            caller=caller,
        )
        with self._lock:
            share = trials.share if trials is not None else self._visits.share(load, caller)
            if not call.warm:
                ticket = Ticket(self._home.clock, offered.future, record, call)
                self._offers[ticket] = offered
                self._tickets[call.key].append(ticket)
                self._share(call, engine, offered.future)
        self._count += 1
        if not load.offer(offered, share):
            offered.drop()
        if offered.held:
            self._visits.held(load)
        return offered.future

    def _fallen(
        self, server: str, error: BaseException, caller: Hashable, warm: EngineCall | None
    ) -> None:
        """A call ahead has failed. What else is on its way there runs on.

        A ``warm`` that the server does not take says nothing of calls.
        """
        if warm is not None:
            warm.error = repr(error)
        if isinstance(error, StatusError):
            if error.busy:
                self._home.load(server).refused(caller if error.status == TOO_OFTEN else None)
            elif warm is not None:
                return
        self.stop(server)

    def stop(self, server: str, *, cancel: bool = False) -> None:
        """Send nothing more ahead to a server in this call; ``cancel`` also what has been sent."""
        with self._lock:
            self._stopped.add(server)
            offers = [o for ticket, o in self._offers.items() if self._at(ticket.record) == server]
            sent = list(self._requests.values()) if cancel else []
        for offered in offers:
            if offered.load.withdraw(offered):
                offered.drop()
        for request in sent:
            if self._at(request.record) == server and not request.future.done():
                waited_for = self._claimed.get(id(request.record))
                if waited_for is None or not waited_for.waiting:
                    request.record.outcome = Outcome.CANCELLED
                    request.cancel()

    def _at(self, record: EngineCall) -> str:
        return self._home.scheduler(record.engine).engine.server

    # The binding side.

    def claim(self, key: Hashable) -> Ticket | None:
        """Take the ticket for the next occurrence of a request; ``None``: make the call."""
        with self._lock:
            waiting = self._tickets.get(key)
            ticket = waiting.popleft() if waiting else None
            offered = self._offers.pop(ticket, None) if ticket is not None else None
            if ticket is None or (offered is not None and offered.load.withdraw(offered)):
                return self._left_to_it(key, offered)
            self._claimed[id(ticket.record)] = ticket
        if offered is not None:
            offered.claimed()
        return ticket

    def _left_to_it(self, key: Hashable, offered: Offered | None) -> Ticket | None:
        """The original makes the call, which nobody else is to make now. The lock is held."""
        if self._closed:
            return None
        if offered is None and key in self._shared:
            return self._once_more(self._shared[key])
        clock = self._home.clock
        record = EngineCall("", "", EngineKind.LLM, key, Outcome.DIRECT, clock())
        coming = Observation(clock, self._lock, record)
        self._coming[key].append(coming)
        if offered is None:
            self._direct[key].append(coming)
        else:  # The original makes it now, and does not wait for its turn.
            offered.served_by(coming.future())
        return None

    def _once_more(self, shared: _Shared) -> Ticket:
        """The result of an equal deterministic call, which more have asked for than was planned."""
        call, now = shared.call, self._home.clock()
        record = EngineCall("", call.engine, shared.kind, call.key, Outcome.AHEAD, now, now, now)
        record.items = call.items
        self._record.note_call(record)
        return Ticket(self._home.clock, shared.future, record, call)

    def observe(self, record: EngineCall) -> Observation:
        """The observation of a call that the original makes itself, for whoever waits for it."""
        with self._lock:
            coming = self._coming.get(record.key)
            if coming:
                observation = coming.popleft()
                observation.begins(record)
            else:
                observation = Observation(self._home.clock, self._lock, record)
                if not self._closed:
                    self._direct[record.key].append(observation)
        return observation

    # The end.

    def end(self) -> None:
        """Cancel what nobody consumed, down to the engine."""
        with self._lock:
            self._closed = True
            requests, self._requests = self._requests, {}
            offers, self._offers = self._offers, {}
            claimed, self._claimed = self._claimed, {}
            self._tickets.clear()
            self._shared.clear()
        for offered in offers.values():
            if offered.load.withdraw(offered):
                offered.drop()
        for trials in self._trials.values():
            trials.close()
        for future, request in requests.items():
            record = request.record
            if record.outcome is Outcome.AHEAD:
                record.outcome = Outcome.WASTED if self._record.whole else Outcome.CANCELLED
            waited_for = claimed.get(id(record))
            if not future.done():
                if waited_for is not None and waited_for.waiting:
                    waited_for.outlives(request.cancel)
                else:
                    request.cancel()
            elif record.outcome in (Outcome.WASTED, Outcome.CANCELLED):
                abandon(future)


def _is_used(request: Request) -> bool:
    return request.future.done() and request.record.outcome is Outcome.HIT

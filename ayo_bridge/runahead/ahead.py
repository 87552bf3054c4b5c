"""What runs ahead in one call, and where the original finds the results.

Two sides meet here. The *graph side* dispatches primitives as their inputs arrive and puts a
ticket for each call under its key. The *binding side* asks, each time the original reaches an
engine, for the ticket of that exact request. The n-th occurrence of a key is one request, whoever
comes to it first.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Hashable
from concurrent.futures import Future
from contextlib import ExitStack

from ayo_bridge.graph import Op, Primitive
from ayo_bridge.passes import Decision, part_of
from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.plan import Maker, Makers, Plan
from ayo_bridge.runahead.tickets import Observation, Ticket, abandon, cancelled
from ayo_bridge.schedule import ComponentOp, GraphScheduler, Request, Values, Work, component_op
from ayo_bridge.seam import Call, EngineCall, EngineKind, Outcome


class Ahead:
    """The run-ahead of a scope that has woken. Thread-safe, under the scope's lock."""

    def __init__(
        self,
        runtime: Home,
        plan: Plan,
        record: CallRecord,
        number: int,
        lock: threading.RLock,
    ) -> None:
        self._runtime = runtime
        self._record = record
        self._number = number
        self._lock = lock
        self._closed = False
        self._graph = GraphScheduler(plan.e_graph, plan.remaining)
        self._makers: dict[ComponentOp, Maker] = dict(plan.makers)
        self._planned = set(plan.ahead)
        self._tickets: defaultdict[Hashable, deque[Ticket]] = defaultdict(deque)
        self._direct: defaultdict[Hashable, deque[Observation]] = defaultdict(deque)
        self._coming: defaultdict[Hashable, deque[Observation]] = defaultdict(deque)
        self._requests: list[tuple[Request, EngineCall]] = []
        self._shared: dict[Hashable, Request] = {}

    # The graph side.

    def start(self, values: Values) -> None:
        """Give the query's inputs and dispatch what needs nothing else."""
        with self._lock:
            ready = self._graph.start(values)
        self._dispatch(ready)

    def feed(self, values: Values) -> None:
        """Give values that the framework has made, and dispatch what waited for them."""
        if self._closed:
            return
        with self._lock:
            ready = self._graph.feed(values)
        self._dispatch(ready)

    def expand(self, primitive_id: str, plan: Plan, values: Values) -> None:
        """Let the graph grow, in the place of ``primitive_id`` if it has that."""
        with self._lock:
            self._makers.update(plan.makers)
            self._planned |= plan.ahead
            self._graph.values.update(values)
            known = primitive_id if primitive_id in self._graph.graph else None
            ready = self._graph.extend(plan.e_graph, instead_of=known, remaining=plan.remaining)
        self._dispatch(ready)

    def add_makers(self, makers: Makers) -> None:
        """Let calls of further components be made ahead."""
        with self._lock:
            self._makers.update(makers)

    def run(self, primitive_id: str) -> None:
        """Dispatch one primitive now."""
        with self._lock:
            known = primitive_id in self._graph.graph and not self._closed
            self._planned.add(primitive_id)
        if known:
            self._dispatch([self._graph.graph[primitive_id]])

    def knows(self, value: str) -> bool:
        """Whether a graph value is there already."""
        return value in self._graph.values

    def _dispatch(self, ready: list[Primitive]) -> None:
        for primitive in ready:
            if self._closed:
                return
            if primitive.op is Op.AGGREGATE:
                self._aggregate(primitive)
                continue
            maker = self._makers.get(component_op(primitive))
            if maker is None or primitive.id not in self._planned:
                continue
            graph = self._graph
            work = Work(primitive, graph.values, self.feed, part_of(graph.graph, primitive))
            try:
                work.sent = list(maker.calls(work))
            except Exception as error:  # prediction never harms: the original goes its own way
                self._refuse(primitive, f"its calls cannot be made ahead: {error!r}")
                continue
            self._run(work, maker)

    def _run(self, work: Work, maker: Maker) -> None:
        calls = work.sent
        with ExitStack() as held:
            if len(calls) > 1:  # The items of one primitive are one batch, as far as b* allows.
                for engine in {call.engine for call in calls}:
                    held.enter_context(self._runtime.scheduler(engine).held())
            futures = [self._expect(call, work.primitive) for call in calls]
        left = len(futures)
        if not left:
            self._completed(work, maker, futures)
            return
        lock = threading.Lock()

        def one_done(_: Future[object]) -> None:
            nonlocal left
            with lock:
                left -= 1
                if left:
                    return
            self._completed(work, maker, futures)

        for future in futures:
            future.add_done_callback(one_done)

    def _completed(self, work: Work, maker: Maker, futures: list[Future[object]]) -> None:
        primitive = work.primitive
        if self._closed or any(f.cancelled() or f.exception() is not None for f in futures):
            return
        try:
            outputs = maker.outputs(work, [future.result() for future in futures])
        except Exception as error:
            self._refuse(primitive, f"its results cannot be used ahead: {error!r}")
            return
        if not outputs and primitive.outputs:
            return
        with self._lock:
            own = {k: v for k, v in outputs.items() if k in primitive.outputs}
            ready = self._graph.complete(primitive.id, own)
            ready += self._graph.feed({k: v for k, v in outputs.items() if k not in own})
        self._dispatch(ready)

    def _aggregate(self, primitive: Primitive) -> None:
        parts = [self._graph.values[name] for name in primitive.inputs]
        joined: list[object] = []
        for part in parts:
            joined.extend(part if isinstance(part, list) else [part])
        with self._lock:
            ready = self._graph.complete(primitive.id, dict.fromkeys(primitive.outputs, joined))
        self._dispatch(ready)

    def _expect(self, call: Call, primitive: Primitive) -> Future[object]:
        """Have a call run ahead, unless the original has come to this occurrence already."""
        with self._lock:
            if self._closed:
                return cancelled()
            done_already = self._direct.get(call.key)
            if done_already:
                return done_already.popleft().future()
            scheduler = self._runtime.scheduler(call.engine)
            shared = self._shared.get(call.key) if call.deterministic else None
            record = EngineCall(
                primitive.id,
                call.engine,
                scheduler.engine.kind,
                call.key,
                Outcome.WARM if call.warm else Outcome.AHEAD,
                self._runtime.clock(),
                items=call.items,
            )
            self._record.note_call(record)
            if shared is not None:
                record.started = record.ended = record.queued
                self._tickets[call.key].append(self._ticket(shared, record))
                return shared.future

            def ended(request: Request) -> None:
                self._runtime.observe(request)

            request = scheduler.submit(
                call,
                query=self._number,
                node=primitive.id,
                depth=self._graph.depth(primitive.id),
                priority=1 if call.warm else 0,
                serves=primitive.serves,
                since=self._record.started,
                remaining=self._graph.remaining(primitive.id),
                left=self._graph.left(),
                record=record,
                on_done=ended,
            )
            self._requests.append((request, record))
            if call.deterministic:
                self._shared[call.key] = request
            if not call.warm:
                self._tickets[call.key].append(self._ticket(request, record))
            return request.future

    def _ticket(self, request: Request, record: EngineCall) -> Ticket:
        return Ticket(self._runtime.clock, request.future, record)

    def _refuse(self, primitive: Primitive, reason: str) -> None:
        self._record.note_decision(Decision("run-ahead", (primitive.id,), False, reason, None))

    # The binding side.

    def claim(self, key: Hashable) -> Ticket | None:
        """Take the ticket for the next occurrence of a request; ``None``: make the call."""
        with self._lock:
            waiting = self._tickets.get(key)
            if waiting:
                return waiting.popleft()
            if not self._closed:
                clock = self._runtime.clock
                record = EngineCall("", "", EngineKind.LLM, key, Outcome.DIRECT, clock())
                coming = Observation(clock, self._lock, record)
                self._direct[key].append(coming)
                self._coming[key].append(coming)
            return None

    def observe(self, record: EngineCall) -> Observation:
        """The observation of a call that the original makes itself, for whoever waits for it."""
        with self._lock:
            coming = self._coming.get(record.key)
            if coming:
                observation = coming.popleft()
                observation.begins(record)
            else:
                observation = Observation(self._runtime.clock, self._lock, record)
                if not self._closed:
                    self._direct[record.key].append(observation)
        return observation

    # The end.

    def end(self) -> None:
        """Cancel what nobody consumed, down to the engine."""
        with self._lock:
            self._closed = True
            requests, self._requests = self._requests, []
            self._tickets.clear()
            self._shared.clear()
        for request, record in requests:
            if record.outcome is Outcome.AHEAD:
                record.outcome = Outcome.WASTED
            if not request.future.done():
                self._runtime.scheduler(request.call.engine).cancel(request)
            elif record.outcome is Outcome.WASTED:
                abandon(request.future)

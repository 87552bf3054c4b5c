"""One accelerated call: what runs ahead for it, and where the original finds the results.

Two sides meet here. The *graph side* dispatches primitives as their inputs arrive and puts a
ticket for each call under its key. The *binding side* asks, each time the original reaches an
engine, for the ticket of that exact request. The n-th occurrence of a key is one request, whoever
comes to it first.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ayo_bridge.engines.protocol import Call, EngineKind
from ayo_bridge.graph import Graph, Op, Primitive
from ayo_bridge.observe.record import CallRecord, EngineCall, Outcome
from ayo_bridge.passes import Decision, part_of
from ayo_bridge.passes.cutting import batch_inputs
from ayo_bridge.runahead.plan import Maker, MakerKey, Plan, Values, maker_key
from ayo_bridge.runahead.tickets import Hit, Observation, Ticket, abandon, cancelled
from ayo_bridge.schedule import GraphScheduler, Request

if TYPE_CHECKING:
    from ayo_bridge.runtime import Runtime

_logger = logging.getLogger(__name__)

_STARTS_CALL = frozenset(
    {
        Op.EMBEDDING,
        Op.SEARCHING,
        Op.RERANKING,
        Op.PREFILLING,
        Op.FULL_PREFILLING,
        Op.API_CALL,
        Op.INGESTION,
    }
)


class Scope:
    """The run-ahead of one call. Thread-safe.

    A closed scope is a pass-through: it dispatches nothing, and what was unconsumed has been
    cancelled down to the engine.
    """

    _numbers = itertools.count(1)

    def __init__(self, runtime: Runtime, plan: Plan, record: CallRecord) -> None:
        self.runtime = runtime
        self.record = record
        self.closed = False
        self.number = next(self._numbers)
        self._lock = threading.RLock()
        self._graph = GraphScheduler(plan.e_graph)
        self._makers: dict[MakerKey, Maker] = dict(plan.makers)
        self._ahead = set(plan.ahead)
        self._tickets: defaultdict[Hashable, deque[Ticket]] = defaultdict(deque)
        self._direct: defaultdict[Hashable, deque[Observation]] = defaultdict(deque)
        self._coming: defaultdict[Hashable, deque[Observation]] = defaultdict(deque)
        self._requests: list[tuple[Request, EngineCall]] = []
        self._open_items: dict[str, int] = {}
        self._handed: dict[Hashable, object] = {}
        self._shared: dict[Hashable, Request] = {}
        self._closers: list[Callable[[], object]] = []
        self.on_finish: Callable[[CallRecord], None] | None = None
        """Told once, with the finished record, when the scope has closed."""
        self.guide: object = None
        """What the adapter keeps for its taps while this scope runs."""
        self._count_items(plan.e_graph)

    # The graph side.

    def start(self, values: Values) -> None:
        """Give the query's inputs and dispatch what needs nothing else."""
        with self._lock:
            ready = self._graph.start(values)
        self._dispatch(ready)

    def feed(self, values: Values) -> None:
        """Give values that the framework has made, and dispatch what waited for them."""
        if self.closed:
            return
        with self._lock:
            ready = self._graph.feed(values)
        self._dispatch(ready)

    def expand(self, primitive_id: str, plan: Plan, values: Values) -> None:
        """Replace an ``Expand`` primitive by the sub-graph that its data called for.

        With a ``primitive_id`` that the graph does not hold (``""``) it grows by the sub-graph.
        """
        if self.closed:
            return
        with self._lock:
            self._open_items.pop(primitive_id, None)
            self._makers.update(plan.makers)
            self._ahead |= plan.ahead
            self.record.decisions.extend(plan.decisions)
            self._graph.values.update(values)
            self._count_items(plan.e_graph)
            known = primitive_id if primitive_id in self._graph.graph else None
            ready = self._graph.extend(plan.e_graph, instead_of=known)
            self.record.p_graph = self.runtime.planner.grown(
                self.record.p_graph, plan.p_graph, primitive_id
            )
            self.record.e_graph = self._graph.graph
            if plan.predicted_gain is not None:
                self.record.predicted_gain = (
                    self.record.predicted_gain or 0.0
                ) + plan.predicted_gain
        self._dispatch(ready)

    def add_makers(self, makers: Mapping[MakerKey, Maker]) -> None:
        """Let calls of further components be made ahead."""
        with self._lock:
            self._makers.update(makers)

    def run_ahead(self, primitive_id: str) -> None:
        """Dispatch one primitive now (a prefix warm whose time has come)."""
        with self._lock:
            known = primitive_id in self._graph.graph and not self.closed
            self._ahead.add(primitive_id)
        if known:
            self._dispatch([self._graph.graph[primitive_id]])

    def depth(self, primitive_id: str) -> int:
        """Longest path from a primitive to the end of the query."""
        return self._graph.depth(primitive_id)

    def knows(self, value: str) -> bool:
        """Whether a graph value is there already."""
        return value in self._graph.values

    def hand_over(self, key: Hashable, value: object) -> None:
        """Keep glue computed ahead in the calling thread for the helper that will ask for it."""
        self._handed[key] = value

    def handed(self, key: Hashable) -> Hit | None:
        """Take glue computed ahead, once."""
        if not self._handed:
            return None
        with self._lock:
            return Hit(self._handed.pop(key)) if key in self._handed else None

    def note(self, reason: str) -> None:
        """Remember for ``explain`` why something was not done."""
        self.record.decisions.append(Decision("run-ahead", (), False, reason, None))

    def _count_items(self, graph: Graph) -> None:
        for primitive in graph:
            if primitive.op in _STARTS_CALL or primitive.op is Op.EXPAND:
                self._open_items[primitive.id] = primitive.items

    def _dispatch(self, ready: list[Primitive]) -> None:
        for primitive in ready:
            if self.closed:
                return
            if primitive.op is Op.AGGREGATE:
                self._aggregate(primitive)
                continue
            maker = self._makers.get(maker_key(primitive))
            if maker is None or primitive.id not in self._ahead:
                continue
            try:
                calls = list(maker.calls(primitive, self._inputs(primitive), self.feed))
            except Exception as error:  # prediction never harms: the original goes its own way
                self._refuse(primitive, f"its calls cannot be made ahead: {error!r}")
                continue
            self._run(primitive, maker, calls)

    def _inputs(self, primitive: Primitive) -> Values:
        """The values a primitive works on: a stage takes its slice of the whole list."""
        part = part_of(self._graph.graph, primitive)
        if part is None:
            return self._graph.values
        names = batch_inputs(primitive)
        joined: list[object] = []
        for name in names:
            value = self._graph.values[name]
            joined.extend(value if isinstance(value, list) else [value])
        empty: dict[str, object] = {name: [] for name in names}
        return {**self._graph.values, **empty, names[0]: joined[part]}

    def _run(self, primitive: Primitive, maker: Maker, calls: list[Call]) -> None:
        with ExitStack() as held:
            if len(calls) > 1:  # The items of one primitive are one batch, as far as b* allows.
                for engine in {call.engine for call in calls}:
                    held.enter_context(self.runtime.scheduler(engine).held())
            futures = [self._expect(call, primitive) for call in calls]
        left = len(futures)
        if not left:
            self._completed(primitive, maker, futures)
            return
        lock = threading.Lock()

        def one_done(_: Future[object]) -> None:
            nonlocal left
            with lock:
                left -= 1
                if left:
                    return
            self._completed(primitive, maker, futures)

        for future in futures:
            future.add_done_callback(one_done)

    def _completed(self, primitive: Primitive, maker: Maker, futures: list[Future[object]]) -> None:
        if self.closed or any(f.cancelled() or f.exception() is not None for f in futures):
            return
        try:
            outputs = maker.outputs(primitive, [future.result() for future in futures])
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
            if self.closed:
                return cancelled()
            done_already = self._direct.get(call.key)
            if done_already:
                return done_already.popleft().future()
            shared = self._shared.get(call.key) if call.deterministic else None
            self._use_item(primitive.id, call.items)
            record = EngineCall(
                primitive.id,
                call.engine,
                self.runtime.scheduler(call.engine).engine.kind,
                call.key,
                Outcome.WARM if call.warm else Outcome.AHEAD,
                self.runtime.clock(),
                items=call.items,
            )
            self.record.calls.append(record)
            if shared is not None:
                record.started = record.ended = record.queued
                self._tickets[call.key].append(Ticket(self._now, shared.future, record))
                return shared.future

            def ended(request: Request) -> None:
                record.started, record.ended = request.started_at, request.ended_at
                record.batch = request.batch
                self.runtime.observe(record, request)

            request = self.runtime.scheduler(call.engine).submit(
                call,
                query=self.number,
                node=primitive.id,
                depth=self._graph.depth(primitive.id),
                priority=1 if call.warm else 0,
                on_done=ended,
            )
            self._requests.append((request, record))
            if call.deterministic:
                self._shared[call.key] = request
            if not call.warm:
                self._tickets[call.key].append(Ticket(self._now, request.future, record))
            return request.future

    def _refuse(self, primitive: Primitive, reason: str) -> None:
        self.record.decisions.append(Decision("run-ahead", (primitive.id,), False, reason, None))

    # The binding side.

    @property
    def quiet(self) -> bool:
        """Nothing runs ahead so far: nobody but the original wants the results of its calls.

        What is planned ahead later are later occurrences, so earlier calls need no accounting.
        """
        return not self._ahead

    def claim(self, key: Hashable) -> Ticket | None:
        """Take the ticket for the next occurrence of a request; ``None``: make the call.

        The occurrence is then the original's: whoever comes to it ahead from this moment on waits
        for the call that :meth:`direct` is going to note.
        """
        if self.quiet:
            return None
        with self._lock:
            waiting = self._tickets.get(key)
            if waiting:
                return waiting.popleft()
            if not self.closed:
                record = EngineCall("", "", EngineKind.LLM, key, Outcome.DIRECT, self._now())
                coming = Observation(self._now, self._lock, record)
                self._direct[key].append(coming)
                self._coming[key].append(coming)
            return None

    def direct(
        self, engine: str, kind: EngineKind, key: Hashable, *, items: int = 1
    ) -> Observation:
        """Note that the original makes a call itself."""
        now = self.runtime.clock()
        with self._lock:
            record = EngineCall(
                self._attributed(engine, items), engine, kind, key, Outcome.DIRECT, now, now
            )
            record.items = items
            coming = self._coming.get(key)
            if coming:
                observation = coming.popleft()
                observation.record = record
            else:
                observation = Observation(self._now, self._lock, record)
                if not self.closed and not self.quiet:
                    self._direct[key].append(observation)
            if not self.closed:
                self.record.calls.append(record)
        return observation

    def _attributed(self, engine: str, items: int) -> str:
        """Bookkeeping never costs the original its call."""
        try:
            return self._attribute(engine, items)
        except Exception as error:
            self.note(f"a call to {engine!r} belongs nowhere: {error!r}")
            return "opaque"

    def _attribute(self, engine: str, items: int) -> str:
        """The primitive an original call belongs to: the next of this engine, in order."""
        for name, open_items in self._open_items.items():
            primitive = self._graph.graph[name]
            if primitive.engine == engine and (open_items > 0 or primitive.op is Op.EXPAND):
                self._use_item(name, items)
                return name
        name = f"opaque.{len(self.record.calls)}"
        with self._lock:
            opaque = Primitive(name, Op.HOST, "opaque", engine)
            self._graph.extend(Graph([opaque]))
            self._graph.ended.add(name)
            self.record.e_graph = self._graph.graph
        return name

    def _use_item(self, primitive_id: str, items: int) -> None:
        if primitive_id not in self._open_items:
            return
        self._open_items[primitive_id] -= items
        exhausted = self._open_items[primitive_id] <= 0
        if exhausted and self._graph.graph[primitive_id].op is not Op.EXPAND:
            del self._open_items[primitive_id]  # Later calls need not look at it again.

    # The end.

    def on_close(self, callback: Callable[[], object]) -> None:
        """Have ``callback`` called once when the scope ends (at once if it has)."""
        with self._lock:
            if not self.closed:
                self._closers.append(callback)
                return
        callback()

    def close(self) -> None:
        """End the scope: cancel what nobody consumed, down to the engine. Idempotent."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            requests, self._requests = self._requests, []
            self._tickets.clear()
            self._handed.clear()
            self._shared.clear()
            closers, self._closers = self._closers, []
        for closer in closers:
            _safely(closer)
        for request, record in requests:
            if record.outcome is Outcome.AHEAD:
                record.outcome = Outcome.WASTED
            if not request.future.done():
                self.runtime.scheduler(request.call.engine).cancel(request)
            elif record.outcome is Outcome.WASTED:
                abandon(request.future)
        self.record.ended = self.runtime.clock()
        on_finish = self.on_finish
        if on_finish is not None:
            _safely(lambda: on_finish(self.record))

    def _now(self) -> float:
        return self.runtime.clock()


def _safely(step: Callable[[], object]) -> None:
    """The caller has its answer; what goes wrong in tidying up is ours alone."""
    try:
        step()
    except Exception:
        _logger.exception("a finished call could not be tidied up")

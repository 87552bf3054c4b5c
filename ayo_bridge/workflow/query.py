"""One query on its way through its e-graph.

All state is touched on the app's loop only. What engines report from elsewhere comes over with
``call_soon_threadsafe``, in the order in which it was reported.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress

from ayo_bridge import schedule
from ayo_bridge.errors import GraphError, QueryTimeoutError
from ayo_bridge.graph import Op, Primitive
from ayo_bridge.graph.graph import join
from ayo_bridge.graph.primitive import PREFILLS
from ayo_bridge.passes import Decision, part_of
from ayo_bridge.schedule import MISSING, Driver, GraphScheduler, Request, items_of
from ayo_bridge.seam import Call
from ayo_bridge.workflow.failures import named
from ayo_bridge.workflow.handlers import WHOLE
from ayo_bridge.workflow.result import Result, Timing
from ayo_bridge.workflow.services import Services
from ayo_bridge.workflow.shape import Shape
from ayo_bridge.workflow.streamed import Streamed
from ayo_bridge.workflow.work import Handler, Made, Outputs, SubGraph, Work

Running = schedule.Running[Work, Made]


class Query(Driver[Work, Made]):
    """Runs one e-graph. ``done`` resolves to the :class:`Result`, or to what went wrong.

    ``on_text``, if given, is called with each piece of the final output as it is decoded.
    """

    _numbers = itertools.count(1)

    def __init__(
        self,
        services: Services,
        shape: Shape,
        inputs: Mapping[str, object],
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        tier = GraphScheduler(shape.e_graph, shape.remaining)
        number, since, program = next(self._numbers), services.clock(), shape.program
        super().__init__(services, tier, number, since, program=program)
        self.done: asyncio.Future[Result] = services.loop.create_future()
        self._services = services
        self._inputs = inputs
        self._shapes = [shape]
        self._p_graph = shape.p_graph
        self._decisions: list[Decision] = list(shape.decisions)
        self._needed = shape.needed
        self._timings: dict[str, Timing] = {}
        self._tasks: dict[asyncio.Future[Outputs], str] = {}
        self._errors: list[tuple[Primitive, BaseException]] = []
        """Of what runs ahead of a condition, which may turn out not to be wanted."""
        self._warms: dict[str, Request] = {}
        self._streamed = Streamed(shape.results, on_text)
        self._timer: asyncio.TimerHandle | None = None

    # The life of a query.

    def run(self, timeout: float | None = None) -> None:
        """Begin. ``timeout`` is in seconds of the loop."""
        if timeout is not None:
            self._timer = self._services.loop.call_later(timeout, self._too_late, timeout)
        self.start(self._inputs)

    @property
    def over(self) -> bool:
        """Whether the query has ended."""
        return self.done.done()

    def cancel(self) -> None:
        """Stop: what is queued is dropped, what runs is aborted in its engine. Idempotent."""
        if not self.done.done():
            self.done.cancel()
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        requests, self._requests = self._requests, {}
        tasks, self._tasks = self._tasks, {}
        for request in requests.values():
            request.cancel()
        for task in tasks:
            task.cancel()

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
        self._stop()

    def _failed(self, primitive: Primitive, error: BaseException, reason: str = "") -> None:
        """Fail with the error of a primitive, as soon as it is known that it would have run."""
        if self._is_over(primitive):
            return
        shape = self._shape(primitive.id)
        if any(
            primitive.component in branch
            for condition in shape.speculating
            if condition.id not in self._tier.ended
            for branch in condition.speculative
        ):
            self._errors.append((primitive, error))
        else:
            self._fail(named(primitive, error))

    def _too_late(self, seconds: float) -> None:
        running = [n for n, timing in self._timings.items() if timing.ended is None]
        waited_for = (n for n in running if n not in self._tier.ended and n in self._tier.graph)
        self._fail(QueryTimeoutError(seconds, tuple(waited_for)))

    def _settle(self) -> None:
        """End the query if everything has ended; fail it if nothing could ever end."""
        if self.done.done():
            return
        ended = self._tier.ended
        if len(ended) >= self._needed and all(
            p.id in ended or p.op is Op.PARTIAL_PREFILLING for p in self._tier.graph
        ):
            self._finish()
        elif not self._requests and not self._tasks:
            waiting = [p.id for p in self._tier.graph if p.id not in self._tier.ended]
            self._fail(GraphError(f"nothing runs, and these still wait: {', '.join(waiting)}"))

    def _finish(self) -> None:
        values = self._tier.values
        self._streamed.finish(values)
        self.done.set_result(
            Result(
                values,
                self._timings,
                frozenset(self._tier.skipped),
                self._p_graph,
                self._tier.graph,
                tuple(self._decisions),
                self._shapes[0].results,
                self._since,
                self._services.clock(),
            )
        )
        self._stop()

    # Dispatching.

    def advance(self, ready: Iterable[Primitive]) -> None:
        """Dispatch what is ready, and end if that was all."""
        super().advance(ready)
        self._settle()

    def _running(self, primitive: Primitive) -> Running | None:
        now = self._services.clock()
        self._timings.setdefault(primitive.id, Timing(now, now))  # decodings have one
        aggregates = primitive.op is Op.AGGREGATE
        joins = aggregates and primitive.id not in self._p_graph
        handler = WHOLE if joins else self._services.handler(primitive)
        if handler is None:
            return None
        shape = self._shape(primitive.id)
        root = shape.root(primitive)
        engine = self._services.scheduler(primitive.engine).engine if primitive.engine else None
        work = Work(
            primitive,
            self._gathered(primitive) if aggregates else self._tier.values,
            self.feed,
            part_of(self._tier.graph, primitive),
            root=root,
            component=shape.components.get(primitive.component),
            query=self.number,
            made_by=self._maker,
            decodes=shape.decodes.get(primitive.id, ()),
            root_decode=shape.root_decodes.get(root.id),
            most_items=self._services.most_items(primitive.engine) if engine is not None else None,
            fuses=engine is None or not engine.limits.continuous,
        )
        running: Running = schedule.Running(work, handler)
        if primitive.op in PREFILLS and self._streamed.follows(work.decodes):
            work.on_text = lambda text: self._here(lambda: self._text(running, handler, text))
        return running

    def _shape(self, primitive_id: str) -> Shape:
        return next(shape for shape in self._shapes if primitive_id in shape.e_graph)

    def _maker(self, value: str) -> Primitive | None:
        maker = self._p_graph.producer(value)
        return None if maker is None else self._p_graph[maker]

    def _made(self, call: Call, running: Running) -> Future[object]:
        primitive = running.work.primitive
        request = self._requested(self._services.ask(call), running)
        if call.warm:
            self._warms[primitive.root] = request
        elif primitive.op is Op.FULL_PREFILLING:
            warm = self._warms.pop(primitive.root, None)
            if warm is not None and warm.started is None:
                warm.cancel()  # Whose turn had not come when its call was there comes too late.
        return request.future

    def _answer(self, call: Call, result: object) -> object:
        return self._services.answer(call, result)

    def _follow(self, running: Running, future: Future[object]) -> None:
        adding = True

        def ended(_: object) -> None:
            # An engine in a thread may be done already, and what it has told be still on its way.
            self._here(lambda: self._ended(running, future), later=adding)

        future.add_done_callback(ended)
        adding = False

    def _here(self, event: Callable[[], None], *, later: bool = False) -> None:
        """Let something happen on the app's loop: at once, if that is where we are."""
        loop = self._services.loop
        try:
            at_home = asyncio.get_running_loop() is loop
        except RuntimeError:
            at_home = False
        if at_home and not later:
            event()
        else:
            with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                loop.call_soon_threadsafe(event)

    # What happens.

    def _ended(self, running: Running, future: Future[object]) -> None:
        self._requests.pop(future, None)
        super()._ended(running, future)

    def _taken(self, running: Running, outputs: Made) -> list[Primitive]:
        if requests := running.requests:
            timing = self._timings[running.work.primitive.id]
            began = [request.started for request in requests if request.started is not None]
            timing.started = min(began, default=timing.started)
            timing.batch = max(request.batch for request in requests)
        if isinstance(outputs, Awaitable):
            self._wait_for(running.work, outputs)
            return []
        return self._completed(running.work, outputs)

    def _wait_for(self, work: Work, outcome: Awaitable[Outputs]) -> None:
        """Run a coroutine of the user's own."""

        def ended(task: asyncio.Future[Outputs]) -> None:
            self._tasks.pop(task, None)
            if self._is_over(work.primitive):
                if not task.cancelled():
                    task.exception()  # nobody else will ask for it
                return
            try:
                ready = self._completed(work, task.result())
            except (Exception, asyncio.CancelledError) as error:
                self._failed(work.primitive, error)
                return
            self.advance(ready)

        task = asyncio.ensure_future(outcome)
        self._tasks[task] = work.primitive.id
        task.add_done_callback(ended)

    def _completed(self, work: Work, outcome: Outputs) -> list[Primitive]:
        """Take in what a primitive has made; returns what became ready."""
        primitive = work.primitive
        if isinstance(outcome, SubGraph):
            return self._expanded(primitive, outcome)
        if unmade := [name for name in primitive.outputs if name not in outcome]:
            raise GraphError(f"its handler has not made {', '.join(unmade)}")
        self._end(primitive.id)
        ready: list[Primitive] = []
        if primitive.op is Op.CONDITION:
            ready += self._chosen(primitive, outcome)
        others = {n: value for n, value in outcome.items() if n not in primitive.outputs}
        for decode in work.decodes if others else ():
            self._end(decode.id)
        known = self._tier.values
        if changed := [n for n, value in others.items() if n in known and known[n] != value]:
            raise GraphError(f"{', '.join(changed)} had been passed on with another value")
        if work.sent:
            self._streamed.tell_rest(others)
        ready += self._given(primitive, outcome)
        if primitive.speculative:  # Now it is known whose errors count.
            errors, self._errors = self._errors, []
            for failed, error in errors:
                self._failed(failed, error)
        return ready

    def _end(self, primitive_id: str) -> None:
        now = self._services.clock()
        timing = self._timings.get(primitive_id)
        if timing is None:
            self._timings[primitive_id] = Timing(now, now, now)
        elif timing.ended is None:
            timing.ended = now

    def _chosen(self, condition: Primitive, outcome: Mapping[str, object]) -> list[Primitive]:
        """Skip what the condition has not chosen, and stop what of it has begun ahead."""
        shape = self._shape(condition.id)
        choice = shape.choices.get(condition.component)
        if choice is None:
            return []
        unchosen = choice.unchosen(outcome[condition.outputs[0]])
        names = {name for component in unchosen for name in shape.members.get(component, ())}
        ready = self._tier.skip(names, revoke=bool(condition.speculative))
        if condition.speculative:
            self._revoke(names)
        return ready

    def _revoke(self, names: set[str]) -> None:
        """Stop what ran ahead of a condition in vain."""
        for name in names & self._timings.keys():
            self._end(name)
        for request in list(self._requests.values()):
            if request.waiting.node in names:
                request.cancel()
        for task, name in list(self._tasks.items()):
            if name in names:
                task.cancel()

    def _expanded(self, primitive: Primitive, fragment: SubGraph) -> list[Primitive]:
        """Let the graph grow by a sub-graph."""
        known = {name: self._tier.values[name] for name in primitive.inputs}
        shape = self._services.shape(fragment, {**known, **fragment.values}, fragment.choices)
        made = {name for each in shape.e_graph for name in each.outputs}
        if unmade := sorted(set(primitive.outputs) - made):
            raise GraphError(f"its sub-graph does not make {', '.join(unmade)}")
        missing = shape.e_graph.inputs - self._tier.values.keys() - fragment.values.keys()
        if missing:
            raise GraphError(f"its sub-graph lacks {', '.join(sorted(missing))}")
        self._end(primitive.id)
        self._tier.values.update(fragment.values)
        self._p_graph = join(self._p_graph.replace(remove=[primitive.id]), shape.p_graph)
        ready = self._tier.extend(shape.e_graph, instead_of=primitive.id, remaining=shape.remaining)
        self._shapes.append(shape)
        self._decisions += shape.decisions
        self._needed += shape.needed - 1
        return ready

    def _gathered(self, aggregate: Primitive) -> dict[str, object]:
        """The inputs of an aggregate under their names in the p-graph.

        What arrives in parts is put together as its handler says; it is missing if all of it was
        skipped.
        """
        tier = self._tier
        parts: dict[str, list[str]] = {}
        roots: dict[str, Primitive] = {}
        gathered: dict[str, object] = {}
        for value in aggregate.inputs:
            maker = tier.graph.producer(value)
            if maker is None or self._p_graph.producer(value) is not None:
                gathered[value] = tier.values[value]
                continue
            root = self._shape(maker).root(tier.graph[maker])
            gathered.setdefault(root.outputs[0], MISSING)
            roots[root.outputs[0]] = root
            parts.setdefault(root.outputs[0], []).append(value)
        for name, values in parts.items():
            if all((tier.graph.producer(value) or "") in tier.skipped for value in values):
                continue
            items = [item for value in values for item in items_of(tier.values[value])]
            handler = self._services.handler(roots[name])
            component = self._shape(aggregate.id).components.get(roots[name].component)
            gathered[name] = items if handler is None else handler.whole(component, items)
        return gathered

    # Text on its way.

    def _text(self, running: Running, handler: Handler, text: str) -> None:
        """Pass on what a text that has grown now holds for certain."""
        work = running.work
        if self._is_over(work.primitive) or not running.left:
            return
        self._end(work.primitive.id)
        decodes = work.decodes
        values: dict[str, object] = dict.fromkeys(work.primitive.outputs, True)
        if len(decodes) > 1:
            try:
                items = handler.items_so_far(work, text)
            except Exception as error:
                self._failed(work.primitive, error)
                return
            # How many there are is known at the end only: the last part takes all that is left.
            for decode, item in zip(decodes[:-1], items, strict=False):
                if decode.id not in self._tier.ended:
                    values[decode.outputs[0]] = [item]
                    self._end(decode.id)
        else:
            for decode in decodes:
                for name in decode.outputs:
                    self._streamed.tell(name, text)
        self.feed(values)

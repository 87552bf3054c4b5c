"""An application of one's own: engines, handlers, and queries that run as e-graphs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self

from ayo_bridge.errors import AyoBridgeError, GraphError
from ayo_bridge.graph import Choice, Op, Primitive
from ayo_bridge.passes import Pass, PassContext
from ayo_bridge.profile import Profile, Profiles
from ayo_bridge.runtime import Runtime
from ayo_bridge.schedule import (
    ComponentOp,
    EngineScheduler,
    Placement,
    Policies,
    Request,
    component_op,
)
from ayo_bridge.seam import Call, Engine, EngineKind
from ayo_bridge.workflow.handlers import DEFAULTS
from ayo_bridge.workflow.local import LocalRuntime
from ayo_bridge.workflow.query import Query
from ayo_bridge.workflow.requests import Ingest
from ayo_bridge.workflow.result import Result
from ayo_bridge.workflow.shape import Shape, Shapes
from ayo_bridge.workflow.work import Computed, Function, Handler, SubGraph, Workflow

HandlerKey = str | Op | ComponentOp
"""A primitive's id in the p-graph, ``(component, op)``, a component, or an operation."""

_CONTROL: Final = frozenset({Op.CONDITION, Op.HOST, Op.EXPAND})


@dataclass(frozen=True, slots=True)
class _Registered:
    engine: Engine
    ask: Callable[[Call], object]
    answer: Callable[[Call, object], object]


class App:
    """Runs queries over registered engines. Belongs to the event loop that it is used on.

    Args:
        runtime: where the engines run. By default a :class:`~.local.LocalRuntime`: on
            the loop that awaits :meth:`submit` (batch engines in threads of their own), and time is
            that loop's: on a :class:`~ayo_bridge.simulate.VirtualClockLoop` the same app simulates.
        passes: the rewrites applied to every p-graph, in order; ``()`` runs it as it is, in the
            order of the program. ``None`` takes the runtime's, or all.
        policies: how engine schedulers pick batches: one for all engines, or by their kind. A
            runtime has its own.
        handlers: who serves which primitives, where the defaults do not fit: a :class:`Handler`,
            or a function for a component's condition, glue or expansion. The most specific key
            counts: an id, then ``(component, op)``, a component, an op. A decoding is the end of
            its prefilling's call, unless an id or a key with ``Op.DECODING`` names a handler.
        profiles: what the engines cost, for the passes and b*. A runtime has its own.
        strict: no pass may change which items a batch of scores holds.
    """

    def __init__(
        self,
        runtime: Runtime | None = None,
        *,
        passes: tuple[Pass, ...] | None = None,
        policies: Policies | None = None,
        handlers: Mapping[HandlerKey, Handler | Function] | None = None,
        profiles: Profiles | None = None,
        strict: bool = False,
    ) -> None:
        self._own: LocalRuntime | None = None
        if runtime is None:
            runtime = self._own = LocalRuntime(profiles=profiles, policies=policies, strict=strict)
        self.runtime = runtime
        self._handlers = {key: _as_handler(served) for key, served in (handlers or {}).items()}
        self._strict = strict or runtime.strict
        self._shapes = Shapes(runtime.passes if passes is None else passes)
        self._engines: dict[str, _Registered] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._brought: dict[int, set[str]] = {}
        """The stores that running queries have written to."""

    # What an app is made of.

    def register(
        self,
        engine: Engine,
        *,
        placement: Placement | None = None,
        profile: Profile | None = None,
        ask: Callable[[Call], object] | None = None,
        answer: Callable[[Call, object], object] | None = None,
    ) -> None:
        """Add an engine under its name.

        ``placement`` says where it runs, in an app with no runtime given; ``profile`` what it
        costs, instead of what the app's profiles say. An engine that does not take the requests of
        the handlers is given a translation: ``ask`` makes its payload of a call, whose payload is
        the handler's request and whose key is ``(query, primitive, index)``, or the call itself
        where other calls may share its batch; ``answer`` makes of that call and the engine's result
        what the handler expects. An engine may bring them along as its methods ``to_request`` and
        ``to_value``.

        An engine with ``async def release(query)`` is told the number of each query that has
        written to it once that has ended; one with ``async def aclose()`` is closed by
        :meth:`aclose`.

        Raises:
            ValueError: another engine has the name, or the runtime places its engines itself.
        """
        if engine.name in self._engines:
            raise ValueError(f"an engine {engine.name!r} is registered already")
        if placement is not None and self._own is None:
            raise ValueError("the runtime places its engines itself")
        self.runtime.register(engine, placement)
        self._engines[engine.name] = _Registered(
            engine, ask or engine.to_request, answer or engine.to_value
        )
        if profile is not None:
            self.runtime.profiles.publish(engine.name, profile)

    def handle(self, key: HandlerKey, handler: Handler | Function) -> None:
        """Let a handler or a function serve primitives; see the argument ``handlers``."""
        self._handlers[key] = _as_handler(handler)

    # Queries.

    async def submit(
        self,
        inputs: Mapping[str, object],
        workflow: Workflow,
        *,
        timeout: float | None = None,
        choices: tuple[Choice, ...] = (),
    ) -> Result:
        """Run one query to its end. Cancelling cancels it down to the engines.

        The graph is made for these inputs: composed components take them as they are called,
        and lists among them say how many items there are. ``choices`` tells what the conditions of
        a template or a graph choose between. ``timeout`` is in seconds of the loop's clock.

        Raises:
            PrimitiveError: a primitive has failed; it is named, and its engine's error the cause.
            QueryTimeoutError: it took too long and was cancelled.
            GraphError: the workflow is not valid for these inputs.
            EngineUnavailableError: it needs an engine that is not registered.
        """
        query = self._query(inputs, workflow, choices, None)
        try:
            query.run(timeout)
            return await query.done
        finally:
            query.cancel()
            self._release(query.number)

    async def stream(
        self,
        inputs: Mapping[str, object],
        workflow: Workflow,
        *,
        timeout: float | None = None,
        choices: tuple[Choice, ...] = (),
    ) -> AsyncGenerator[str, None]:
        """Run one query and give the text of its final output piece by piece.

        Of an engine that does not stream the text comes in one piece. Closing the generator
        cancels the query. Errors are those of :meth:`submit`, after the pieces that came before.
        """
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        query = self._query(inputs, workflow, choices, pieces.put_nowait)
        query.done.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            query.run(timeout)
            while (piece := await pieces.get()) is not None:
                yield piece
            await query.done
        finally:
            query.cancel()
            self._release(query.number)
            if not query.done.cancelled():
                query.done.exception()  # seen, even if the consumer has gone

    def plan(
        self,
        inputs: Mapping[str, object],
        workflow: Workflow,
        *,
        choices: tuple[Choice, ...] = (),
    ) -> Shape:
        """The graphs that a query with these inputs has, and every decision on the way."""
        runtime = self.runtime
        context = PassContext(
            runtime.profiles.profiles(), runtime.can_stream(), runtime.can_warm(), self._strict
        )
        epoch = runtime.profiles.epoch
        return self._shapes.of(workflow, inputs, choices, context, epoch, self._engines)

    async def aclose(self) -> None:
        """Close the engines and :meth:`close`; a runtime and its engines are closed by itself."""
        while self._background:
            await asyncio.gather(*self._background, return_exceptions=True)
        if self._own is not None:
            for registered in self._engines.values():
                await registered.engine.aclose()
        self.close()

    async def __aenter__(self) -> Self:
        """The app, to be closed at the end of the block."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        await self.aclose()

    def close(self) -> None:
        """End the threads of batch engines that run in this app. A runtime is closed by itself."""
        if self._own is not None:
            self._own.close()
        self._loop = None

    def _query(
        self,
        inputs: Mapping[str, object],
        workflow: Workflow,
        choices: tuple[Choice, ...],
        on_text: Callable[[str], None] | None,
    ) -> Query:
        self._settle_on(asyncio.get_running_loop())
        shape = self.plan(inputs, workflow, choices=choices)
        return Query(self, shape, dict(inputs), on_text)

    def _release(self, query: int) -> None:
        """Let the engines forget what an ended query has brought."""
        for name in self._brought.pop(query, ()):
            task = self.loop.create_task(self._engines[name].engine.release(query))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    def _settle_on(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is loop:
            return
        if self._loop is not None and not self._loop.is_closed():
            raise AyoBridgeError("this app runs on another event loop: one app serves one loop")
        if self._own is not None:
            self._own.run_on(loop)
        self._loop = loop

    # What queries ask for (query.Services).

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that queries run on."""
        if self._loop is None:
            raise AyoBridgeError("the app has not run a query yet")
        return self._loop

    def clock(self) -> float:
        """Seconds of the runtime's clock."""
        return self.runtime.clock()

    def scheduler(self, engine: str) -> EngineScheduler:
        """The scheduler of a registered engine."""
        return self.runtime.scheduler(engine)

    def most_items(self, engine: str) -> int | None:
        """b*: the engine's own limit, else what its profile says."""
        limit = self._engines[engine].engine.limits.max_items
        if limit is not None:
            return limit
        return self.runtime.profiles.profiles().best_batch(engine)

    def handler(self, primitive: Primitive) -> Handler | None:
        """Who serves a primitive."""
        key = component_op(primitive)
        op, handlers = key[1], self._handlers
        found = handlers.get(primitive.root) or handlers.get(key)
        if found is None and op is not Op.DECODING and op is not Op.AGGREGATE:
            found = handlers.get(primitive.component)
            if isinstance(found, Computed) and op not in _CONTROL:
                found = None  # A function serves the component's decision, not its engines.
        return found or handlers.get(op) or DEFAULTS.get(op)

    def shape(
        self, sub_graph: SubGraph, known: Mapping[str, object], choices: tuple[Choice, ...]
    ) -> Shape:
        """The shape of what an ``Expand`` has become."""
        return self.plan(known, sub_graph.workflow, choices=choices)

    def ask(self, call: Call) -> Call:
        """The call as its engine takes it."""
        registered = self._engines.get(call.engine)
        if registered is None:
            raise GraphError(f"no engine {call.engine!r} is registered")
        if isinstance(call.payload, Ingest):
            self._brought.setdefault(call.payload.query, set()).add(call.engine)
        asked = registered.ask(call)
        return asked if isinstance(asked, Call) else replace(call, payload=asked)

    def answer(self, call: Call, result: object) -> object:
        """The result as the handlers take it."""
        return self._engines[call.engine].answer(call, result)

    def observe(self, request: Request) -> None:
        """Let the runtime's profiles learn from a call."""
        # How many tokens an LLM took is not known here.
        if not request.call.warm and request.scheduler.engine.kind is not EngineKind.LLM:
            self.runtime.observe(request)


def _as_handler(served: Handler | Function) -> Handler:
    return served if isinstance(served, Handler) else Computed(served)

"""A runtime with one engine that answers when the test lets it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ayo_bridge.graph import Graph, Op, Primitive, Template
from ayo_bridge.record import CallRecord
from ayo_bridge.runahead import Plan, Scope
from ayo_bridge.runtime import Runtime
from ayo_bridge.schedule import Values, Work
from ayo_bridge.seam import AsyncEngine, Call, EngineKind, Limits


@dataclass
class GatedEngine(AsyncEngine):
    """Answers ``echo <payload>``; an exception as payload is raised; waits while gated."""

    name: str = "llm"
    kind: EngineKind = EngineKind.LLM
    limits: Limits = field(default_factory=lambda: Limits(continuous=True))
    served: list[object] = field(default_factory=list)
    cancelled: list[object] = field(default_factory=list)
    started: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    gate: threading.Event = field(default_factory=threading.Event)

    async def serve(self, call: Call) -> object:
        self.served.append(call.payload)
        self.started.release()
        try:
            while not self.gate.is_set():
                await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            self.cancelled.append(call.payload)
            raise
        finally:
            self.ended.release()
        if isinstance(call.payload, Exception):
            raise call.payload
        return f"echo {call.payload}"


class CallsOf:
    """A maker with fixed calls for each primitive."""

    def __init__(
        self,
        calls: dict[str, Sequence[Call]],
        outputs: Callable[[Primitive, Sequence[object]], Values] = lambda p, r: {},
    ) -> None:
        self._calls = calls
        self._outputs = outputs
        self.asked: deque[str] = deque()

    def calls(self, work: Work) -> Sequence[Call]:
        self.asked.append(work.primitive.id)
        return self._calls[work.primitive.id]

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        return self._outputs(work.primitive, results)


def call(key: str, payload: object = None, **options: object) -> Call:
    return Call("llm", key, key if payload is None else payload, **options)  # type: ignore[arg-type]


def prefill(name: str, inputs: Sequence[str] = ("question",)) -> Primitive:
    return Primitive(
        name, Op.PREFILLING, "c", "llm", inputs=tuple(inputs), outputs=(f"{name}.out",)
    )


def open_scope(runtime: Runtime, calls: dict[str, Sequence[Call]], **options: object) -> Scope:
    """A started scope whose prefills, all independent, run ahead."""
    graph = Graph([prefill(name) for name in calls], inputs=["question"])
    maker = options.pop("maker", None) or CallsOf(calls)
    plan = Plan(
        Template(()),
        graph,
        graph,
        ahead=frozenset(options.pop("ahead", calls)),  # type: ignore[call-overload]
        makers={("c", Op.PREFILLING): maker},  # type: ignore[dict-item]
    )
    record = CallRecord("query", runtime.clock(), plan.template, graph, graph)
    scope = Scope(runtime, plan, record)
    scope.start({"question": "?"})
    return scope

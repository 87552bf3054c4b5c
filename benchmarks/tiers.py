"""A query on its way through the two tiers, without an application around it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ayo_bridge.graph import Graph, Primitive
from ayo_bridge.graph.primitive import CONTROL_OPS, DECODES, PREFILLS
from ayo_bridge.graph.timing import Seconds, remaining
from ayo_bridge.schedule import EngineScheduler, GraphScheduler, Request
from ayo_bridge.seam import Call


@dataclass(slots=True)
class Shape:
    """What queries of one e-graph have in common. Values are stand-ins: nothing reads them.

    ``dispatched`` counts the primitives of all of its queries. Items of a decoding that were known
    before their turn came are not dispatched, and not counted.
    """

    graph: Graph
    seconds: Seconds
    result: str
    """The value with which a query has ended."""
    dispatched: int = 0
    remaining: dict[str, float] = field(init=False)
    inputs: dict[str, object] = field(init=False)
    decoded: dict[str, dict[str, object]] = field(init=False)
    """By prefill: what its call's decoding makes."""

    def __post_init__(self) -> None:
        graph = self.graph
        self.remaining = remaining(graph, self.seconds)
        self.inputs = dict.fromkeys(graph.inputs)
        self.decoded = {}
        for primitive in graph:
            for maker in graph.predecessors(primitive.id) if primitive.op in DECODES else ():
                if graph[maker].op in PREFILLS:
                    made = self.decoded.setdefault(maker, {})
                    made.update(dict.fromkeys(primitive.outputs))


class Query:
    """Dispatches what is ready and goes on when it has ended; its calls are made by ``call``.

    ``ended`` is called once, with the query, when its result is there.
    """

    __slots__ = (
        "_call",
        "_ended",
        "_over",
        "_tier",
        "_tiers",
        "_warms",
        "number",
        "shape",
        "since",
    )

    def __init__(
        self,
        shape: Shape,
        number: int,
        tiers: Mapping[str, EngineScheduler],
        call: Callable[[Query, Primitive], Call],
        ended: Callable[[Query], None],
        since: float,
    ) -> None:
        self.shape, self.number, self.since = shape, number, since
        self._tiers, self._call, self._ended = tiers, call, ended
        self._tier = GraphScheduler(shape.graph, shape.remaining)
        self._warms: list[Request] = []
        self._over = False

    def start(self) -> None:
        """Dispatch what needs nothing but the query's inputs."""
        self._advance(self._tier.start(self.shape.inputs))

    def _advance(self, ready: Sequence[Primitive]) -> None:
        pending = deque(ready)
        while pending:
            primitive = pending.popleft()
            self.shape.dispatched += 1
            if primitive.op in CONTROL_OPS:
                pending += self._tier.complete(primitive.id, dict.fromkeys(primitive.outputs))
            elif primitive.op not in DECODES:  # They run with their prefill, as one call.
                self._submit(primitive)

    def _submit(self, primitive: Primitive) -> None:
        tier, name = self._tier, primitive.id
        call = self._call(self, primitive)
        request = self._tiers[primitive.engine].submit(
            call,
            query=self.number,
            node=name,
            depth=tier.depth(name),
            priority=int(call.warm),
            serves=primitive.serves,
            since=self.since,
            remaining=tier.remaining(name),
            left=tier.left(),
            on_done=self._done,
        )
        if call.warm:
            self._warms.append(request)

    def _done(self, request: Request) -> None:
        if self._over:
            return
        name, tier = request.waiting.node, self._tier
        ready = tier.complete(name, dict.fromkeys(self.shape.graph[name].outputs))
        decoded = self.shape.decoded.get(name)
        if decoded is not None:
            ready += tier.feed(decoded)
        self._advance(ready)
        if decoded is not None and self.shape.result in decoded:
            self._end()

    def _end(self) -> None:
        """It has its result: what would begin prompts that have been sent long since is dropped."""
        self._over = True
        while self._warms:
            self._warms.pop().cancel()
        self._ended(self)

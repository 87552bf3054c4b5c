"""From a template to a plan: decompose, optimise, and decide what is worth running ahead."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import replace
from typing import Final, Protocol

from ayo_bridge.graph import (
    Graph,
    Op,
    Primitive,
    Synthesis,
    Template,
    decompose,
    expand_synthesis,
)
from ayo_bridge.graph.primitive import CONTROL_OPS, DECODES, LLM_OPS, PREFILLS
from ayo_bridge.graph.timing import asap, remaining
from ayo_bridge.passes import Decision, Pass, PassContext, optimise
from ayo_bridge.profile import LiveProfiles
from ayo_bridge.runahead.client import Client
from ayo_bridge.runahead.plan import Makers, Plan

PRIOR_SECONDS: Final[Mapping[Op, float]] = {
    Op.EMBEDDING: 0.02,
    Op.INGESTION: 0.05,
    Op.SEARCHING: 0.01,
    Op.RERANKING: 0.1,
    Op.PREFILLING: 0.1,
    Op.FULL_PREFILLING: 0.1,
    Op.PARTIAL_PREFILLING: 0.1,
    Op.DECODING: 0.5,
    Op.PARTIAL_DECODING: 0.1,
    Op.API_CALL: 0.3,
}
"""What a primitive is taken to cost until its engine has been measured: orders of magnitude for
local engines, good enough to see that something can overlap at all."""

STREAMING: Final = 0.05
"""What it costs to have an answer streamed that the original wants whole, as a share of its decode:
a vLLM on one core that sends each of 64 tokens to each of four users was 4 % slower."""

CALL_SECONDS: Final = PRIOR_SECONDS[Op.PREFILLING] + PRIOR_SECONDS[Op.DECODING]

OWN_CALLS: Final = 2.0
"""An LLM call of the original's own takes its client so many times what a call ahead takes us: the
frameworks' and the SDK's own work for it."""

MARGIN_SECONDS: Final = 0.0005
"""A primitive runs ahead only if it can end this much earlier than in the original."""


class Costs(Protocol):
    """What planning goes by."""

    @property
    def passes(self) -> tuple[Pass, ...]:
        """The rewrites applied to every p-graph, in order."""

    @property
    def profiles(self) -> LiveProfiles:
        """What engines cost."""

    @property
    def client(self) -> Client:
        """What a call ahead costs this process."""

    @property
    def strict(self) -> bool:
        """Whether nothing is fused."""

    @property
    def run_ahead(self) -> bool:
        """Whether anything may run ahead."""

    def can_stream(self) -> frozenset[str]:
        """LLM engines proven to rebuild a plain reply from a stream."""

    def can_warm(self) -> frozenset[str]:
        """LLM engines known to keep prefixes in a cache, where prefix warms are wanted."""

    def learned(self) -> Hashable:
        """What these two depend on; changes when they do."""


_Same = tuple[object, Plan]
"""What was planned (so that its identity stays its own), and its plan with no handlers."""


class Planner:
    """Plans calls; plans are kept by template and by what is known of the engines."""

    def __init__(self, runtime: Costs, *, capacity: int = 256) -> None:
        self._runtime = runtime
        self._capacity = capacity
        self._kept: OrderedDict[Hashable, Plan] = OrderedDict()
        # Adapters keep what they lift, so the very same object comes again and need not be hashed.
        # Read without the lock: all calls of 32 threads come by here.
        self._same: dict[Hashable, _Same] = {}
        self._lock = threading.Lock()

    def plan(self, template: Template, makers: Makers) -> Plan:
        """Plan a whole call."""
        known = self._known()
        same = self._same.get((id(template), known))
        if same is None:
            same = self._plan(
                template, template, (template,), (known,), lambda: decompose(template)
            )
        return _with(same[1], makers)

    def plan_expansion(
        self,
        template: Template,
        component: Synthesis,
        chunks: int,
        makers: Makers,
        *,
        inputs: tuple[str, ...] | None = None,
        prefix: str = "",
        known: Hashable = None,
    ) -> Plan:
        """Plan the sub-graph of a synthesis whose number of chunks has become known.

        ``inputs`` are what it takes in place of the component's own; ``known`` is that of the plan
        which the call began with.
        """
        known = known or self._known()
        key = (id(component), id(template), inputs, chunks, prefix, known)
        same = self._same.get(key)
        if same is None:

            def build() -> Graph:
                taking = component if inputs is None else replace(component, inputs=inputs)
                return expand_synthesis(taking, chunks, prefix=prefix)

            same = self._plan(component, template, (component,), key[2:], build, key)
        return _with(same[1], makers)

    def _known(self) -> Hashable:
        """What plans depend on beside what is planned."""
        return self._runtime.profiles.epoch, self._runtime.learned()

    def _plan(
        self,
        what: object,
        template: Template,
        identity: tuple[Hashable, ...],
        rest: tuple[Hashable, ...],
        build: Callable[[], Graph],
        key: Hashable = None,
    ) -> _Same:
        """The plan of what is planned, by value, and from now on by identity."""
        full = (*identity, *rest)
        plan = self._kept.get(full)
        if plan is None:
            plan = self._build(template, build(), self._context(), rest[-1])
        elif plan.template is not template:
            plan = replace(plan, template=template)
        same = (what, plan)
        with self._lock:
            self._kept[full] = plan
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
            if len(self._same) >= self._capacity:
                self._same.clear()
            self._same[key or (id(what), *rest)] = same
        return same

    def _context(self) -> PassContext:
        return PassContext(
            profiles=self._runtime.profiles.profiles(),
            can_stream=self._runtime.can_stream(),
            can_warm=self._runtime.can_warm(),
            strict=self._runtime.strict,
            streaming=STREAMING,
        )

    def _build(
        self, template: Template, p_graph: Graph, context: PassContext, known: Hashable
    ) -> Plan:
        optimised = optimise(p_graph, context, self._runtime.passes)
        e_graph = optimised.graph
        decisions = list(optimised.decisions)

        def seconds(primitive: Primitive) -> float:
            known = context.profiles.seconds(primitive)
            if known is not None:
                return known
            prior = PRIOR_SECONDS.get(primitive.op, 0.0)
            typical = self._runtime.profiles.typical(primitive.engine)
            if typical is None or primitive.op not in LLM_OPS:
                return prior
            return prior * typical / CALL_SECONDS

        def one_by_one(primitive: Primitive) -> float:
            """The frameworks embed and search one item at a time, unless they say otherwise."""
            alone = primitive.batchable and primitive.op is not Op.RERANKING
            if primitive.items > 1 and alone and not primitive.concurrent:
                return primitive.items * seconds(replace(primitive, items=1))
            return seconds(primitive)

        original = asap(p_graph, one_by_one)
        early = asap(e_graph, seconds)
        ahead = {
            primitive.id
            for primitive in e_graph
            if primitive.op not in CONTROL_OPS
            and primitive.op is not Op.PARTIAL_PREFILLING
            and _leads(primitive, early, original)
        }
        ahead |= _streamed(e_graph)
        ahead |= _in_turn(e_graph, ahead, early)
        ahead |= _untold(e_graph, ahead)
        gain = _end(original) - _end(early) - self._own_seconds(e_graph, ahead)
        if ahead and (gain <= 0 or not self._runtime.run_ahead):
            reason = (
                "run-ahead is off in this runtime"
                if not self._runtime.run_ahead
                else "the time won is not above the cost of making the calls ahead"
            )
            decisions.append(Decision("run-ahead", tuple(sorted(ahead)), False, reason, gain))
            ahead = set()
        return Plan(
            template,
            p_graph,
            e_graph,
            tuple(decisions),
            frozenset(ahead),
            gain if ahead else 0.0,
            remaining=remaining(e_graph, seconds) if ahead else {},
            known=known,
        )

    def _own_seconds(self, graph: Graph, ahead: Collection[str]) -> float:
        """What this process does for calls ahead: that overlaps nothing.

        Each of them has to be made. And of LLM calls that run side by side all but one have a share
        in them that is the client's own work.
        """
        made = sum(graph[i].op not in DECODES for i in ahead)  # A decode is its prefill's call.
        asked = sum(graph[i].op in PREFILLS for i in ahead)
        calls = made + OWN_CALLS * max(0, asked - 1)
        return calls * self._runtime.client.call_seconds


def _leads(
    primitive: Primitive,
    early: Mapping[str, tuple[float, float]],
    original: Mapping[str, tuple[float, float]],
) -> bool:
    before = original.get(primitive.root)
    return before is not None and early[primitive.id][1] < before[1] - MARGIN_SECONDS


def _streamed(graph: Graph) -> set[str]:
    """Prefills whose decode is pipelined: the call must be ours for us to see it grow."""
    return {
        primitive.id
        for primitive in graph
        if primitive.op in PREFILLS
        and any(graph[s].op is Op.PARTIAL_DECODING for s in graph.successors(primitive.id))
    }


def _untold(graph: Graph, ahead: Collection[str]) -> set[str]:
    """Embeddings that calls ahead are made of: nobody tells the graph what the original's gave."""
    return {
        before
        for name in ahead
        for before in graph.predecessors(name)
        if graph[before].op is Op.EMBEDDING
    }


def _in_turn(
    graph: Graph, ahead: Collection[str], early: Mapping[str, tuple[float, float]]
) -> set[str]:
    """Calls that the original makes at once, of a fan-out whose later calls are made ahead.

    A server with one slot takes calls as they come: sent by themselves, the later ones might come
    before the first, and the original would wait for all of them.
    """
    begins = {(graph[i].component, graph[i].engine, early[i][0]) for i in ahead}
    return {
        primitive.id
        for primitive in graph
        if primitive.op in PREFILLS
        and (primitive.component, primitive.engine, early[primitive.id][0]) in begins
    }


def _end(times: Mapping[str, tuple[float, float]]) -> float:
    return max((end for _, end in times.values()), default=0.0)


def _with(plan: Plan, makers: Makers) -> Plan:
    """The plan of one call. With nothing ahead nobody is asked, and one plan serves all calls."""
    return replace(plan, makers=makers) if plan.ahead else plan

"""The arms: what each does to the p-graph of a query, and the policy of its engine schedulers.

All of them run on the same two-tier scheduler, engines and handlers. A baseline takes the p-graph
in the order of its program; what a module itself does side by side (the calls of a tree's level,
the contexts of all chunks) it issues together, as the paper's bundles do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from ayo_bridge.graph import Effect, Graph, Op, Primitive
from ayo_bridge.passes import (
    PIPELINE,
    DependencyPruning,
    Pass,
    PassContext,
    PrefillingSplit,
    Rewrite,
)
from ayo_bridge.schedule import POLICIES
from ayo_bridge.simulate import Routing, fewest_tokens, least_delay
from benchmarks.paper.parameters import Move, Parameters

MESSAGE: Final = "message"
"""The component of what one agent tells another."""


@dataclass(frozen=True, slots=True)
class ModuleBundles:
    """Drop the order between calls of one module: they are issued as a bundle."""

    name: ClassVar[str] = "module-bundles"

    def apply(self, graph: Graph, context: PassContext) -> Rewrite:
        """Keep the order between modules only."""
        order = [(a, b) for a, b in graph.order if graph[a].component != graph[b].component]
        return Rewrite(Graph(graph, inputs=graph.inputs, order=order))


@dataclass(frozen=True, slots=True)
class ByHand:
    """Run modules side by side that a programmer sees to be independent (paper: LlamaDistPC).

    Moves of an order that the program does not have are those of another app.
    """

    moves: tuple[Move, ...]
    name: ClassVar[str] = "by-hand"

    def apply(self, graph: Graph, context: PassContext) -> Rewrite:
        """Make the moves."""
        order = dict.fromkeys(graph.order)
        for before, after, instead in self.moves:
            if (before, after) in graph.order:
                del order[before, after]
                order[before, instead] = None
        return Rewrite(Graph(graph, inputs=graph.inputs, order=list(order)))


@dataclass(frozen=True, slots=True)
class Agents:
    """Put a message between modules of different agents (paper: AutoGen).

    What an agent takes from another comes with its message.
    """

    groups: tuple[tuple[str, ...], ...]
    name: ClassVar[str] = "agents"

    def apply(self, graph: Graph, context: PassContext) -> Rewrite:
        """Add a primitive for each message, after all that it reports and before all who wait."""
        agent = {component: i for i, group in enumerate(self.groups) for component in group}
        messages: dict[str, Primitive] = {}
        order = dict.fromkeys(graph.order)
        for edge in graph.edges:
            sender = agent[graph[edge.source].component]
            taker = agent[graph[edge.target].component]
            if sender == taker:
                continue
            name = f"{MESSAGE}.{sender}.{taker}"
            messages[name] = Primitive(name, Op.HOST, MESSAGE, effect=Effect.PURE)
            order.pop((edge.source, edge.target), None)
            order[edge.source, name] = None
            order[name, edge.target] = None
        everything = [*graph, *messages.values()]
        return Rewrite(Graph(everything, inputs=graph.inputs, order=list(order)))


@dataclass(frozen=True, slots=True)
class Scheme:
    """An arm: a name, the passes over an app's p-graph, and a policy.

    ``prefetch`` is the batches that wait at each instance of a busy engine; ``routing`` says which
    instance of an LLM a call goes to.
    """

    name: str
    passes: tuple[Pass, ...]
    policy: str
    prefetch: int = 0
    routing: Routing = fewest_tokens


BASELINES: Final = tuple(
    f"{system}+{policy}"
    for system in ("LlamaDist", "LlamaDistPC", "AutoGen")
    for policy in ("PO", "TO")
)
PAPER: Final = "Ayo"
"""The paper's own system: its four passes and its policy."""
OURS: Final = "ours"
SCHEMES: Final = (*BASELINES, PAPER, OURS)
BEST_POLICY: Final = "critical_path"

_POLICIES: Final = {"PO": "per_invocation", "TO": "throughput"}
_STAGES, _DECODING = PIPELINE[1:3]
# In the paper nothing runs before the condition that decides on it.
_PRUNING: Final = DependencyPruning(speculate=False)
# The paper has no cost model: its third pass takes every gain, whatever it costs other queries.
_PREFILLING: Final = PrefillingSplit(sequences=0.0)
PAPER_PASSES: Final[tuple[Pass, ...]] = (_PRUNING, _STAGES, _DECODING, _PREFILLING)
WITHOUT_SPLIT: Final = "passes 1, 2 and 4"
"""The paper's own system without its third pass, which costs more than it gains under load here."""
_ABLATIONS: Final[dict[str, tuple[Pass, ...]]] = {
    "none": (ModuleBundles(),),
    "passes 2 and 4": (ModuleBundles(), _STAGES, _DECODING),
    "passes 1 and 3": (_PRUNING, _PREFILLING),
    WITHOUT_SPLIT: (_PRUNING, _STAGES, _DECODING),
    "all": PAPER_PASSES,
}
ABLATIONS: Final = tuple(_ABLATIONS)
"""The graph ablation of Fig. 10, and the passes without prefilling split."""


def scheme(name: str, app: str, given: Parameters) -> Scheme:
    """The arm called ``name`` for an app.

    Besides :data:`SCHEMES` there are :data:`ABLATIONS`, under ``topology``, and policies, with all
    passes.

    Raises:
        KeyError: there is no such arm.
    """
    if name == PAPER:
        return Scheme(name, PAPER_PASSES, "topology")
    if name == OURS:
        return Scheme(name, PIPELINE, BEST_POLICY, given.engines.prefetch, least_delay)
    if name in _ABLATIONS:
        return Scheme(name, _ABLATIONS[name], "topology")
    if name in POLICIES:
        return Scheme(name, PAPER_PASSES, name)
    system, _, policy = name.partition("+")
    passes: tuple[Pass, ...] = (ModuleBundles(),)
    if system != "LlamaDist":
        moves = {"LlamaDistPC": given.by_hand, "AutoGen": given.by_agents}[system]
        passes += (ByHand(moves),)
    if system == "AutoGen":
        passes += (Agents(given.agents[app]),)
    return Scheme(name, passes, _POLICIES[policy])

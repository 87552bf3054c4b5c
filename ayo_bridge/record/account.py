"""Which primitive of a growing graph each engine call of one accelerated call belongs to.

In: what happened, in order: engine calls, and sub-graphs that the data called for. Out: the graphs
as they ended up and a primitive for each call. Worked out when somebody looks, from the events
alone: the calls themselves only append to a list.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from ayo_bridge.graph import Graph, Op, Primitive
from ayo_bridge.graph.graph import join
from ayo_bridge.passes.rewrite import Decision
from ayo_bridge.seam import EngineCall, Outcome


class Growth(NamedTuple):
    """The graphs have grown, in the place of ``instead_of`` if they have it.

    Holds nothing of the user's, as a plan does: records are kept for long.
    """

    instead_of: str
    p_graph: Graph
    e_graph: Graph
    decisions: tuple[Decision, ...]
    predicted_gain: float | None


Event = EngineCall | Growth | Decision

_STARTS_CALL: Final = frozenset(
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


class Account:
    """The state of a call's graphs after some events."""

    __slots__ = ("_calls", "_open", "decisions", "e_graph", "p_graph", "predicted_gain")

    def __init__(
        self,
        p_graph: Graph,
        e_graph: Graph,
        decisions: Sequence[Decision],
        predicted_gain: float | None,
    ) -> None:
        self.p_graph = p_graph
        self.e_graph = e_graph
        self.decisions = tuple(decisions)
        self.predicted_gain = predicted_gain
        self._open: dict[str, int] = {}
        self._calls = 0
        self._count(e_graph)

    def is_open(self, primitive_id: str) -> bool:
        """Whether calls of a primitive are still to come."""
        return primitive_id in self._open

    def take(self, event: Event) -> None:
        """Take in one event; an engine call of the original's own learns its primitive."""
        if isinstance(event, Growth):
            self._grow(event)
        elif isinstance(event, Decision):
            self.decisions += (event,)
        elif event.outcome is Outcome.DIRECT:
            event.primitive = self._attributed(event)
            self._calls += 1
        else:
            self._use(event.primitive, event.items)
            self._calls += 1

    def _count(self, graph: Graph) -> None:
        for primitive in graph:
            if primitive.op in _STARTS_CALL or primitive.op is Op.EXPAND:
                self._open[primitive.id] = primitive.items

    def _grow(self, growth: Growth) -> None:
        self._open.pop(growth.instead_of, None)
        self.p_graph = grown(self.p_graph, growth.p_graph, growth.instead_of)
        self.e_graph = grown(self.e_graph, growth.e_graph, growth.instead_of)
        self.decisions += growth.decisions
        if growth.predicted_gain is not None:
            self.predicted_gain = (self.predicted_gain or 0.0) + growth.predicted_gain
        self._count(growth.e_graph)

    def _attributed(self, call: EngineCall) -> str:
        try:
            return self._attribute(call)
        except Exception as error:  # Whoever looks shall see the rest.
            reason = f"a call to {call.engine!r} belongs nowhere: {error!r}"
            self.decisions += (Decision("run-ahead", (), False, reason, None),)
            return "opaque"

    def _attribute(self, call: EngineCall) -> str:
        """The next open primitive of the call's engine, in the original's order."""
        for name, open_items in self._open.items():
            primitive = self.e_graph[name]
            if primitive.engine == call.engine and (open_items > 0 or primitive.op is Op.EXPAND):
                self._use(name, call.items)
                return name
        name = f"opaque.{self._calls}"
        self.e_graph = join(self.e_graph, Graph([Primitive(name, Op.HOST, "opaque", call.engine)]))
        return name

    def _use(self, primitive_id: str, items: int) -> None:
        if primitive_id not in self._open:
            return
        self._open[primitive_id] -= items
        exhausted = self._open[primitive_id] <= 0
        if exhausted and self.e_graph[primitive_id].op is not Op.EXPAND:
            del self._open[primitive_id]  # Later calls need not look at it again.


def settle(opening: Opening, events: Sequence[Event]) -> Account:
    """The account after ``events``; the original's own calls among them learn their primitives.

    Calls of one shape (the same graphs, the same engines in the same order) are worked out once.
    """
    shape = _shape(opening, events)
    known = _accounts.get(shape) if shape is not None else None
    if known is not None:
        for event, name in zip(events, known.primitives, strict=True):
            if isinstance(event, EngineCall):
                event.primitive = name
        return known.account
    account = Account(*opening)
    for event in events:
        account.take(event)
    if shape is not None:
        names = [e.primitive if isinstance(e, EngineCall) else "" for e in events]
        grown_by = [e for e in events if isinstance(e, Growth)]
        _keep(_accounts, shape, _Settled(account, tuple(names), (opening, grown_by)))
    return account


def _shape(opening: Opening, events: Sequence[Event]) -> Hashable | None:
    """What attribution depends on, by identity where graphs are concerned; ``None``: not kept."""
    p_graph, e_graph, decisions, predicted_gain = opening
    parts: list[Hashable] = [id(p_graph), id(e_graph), id(decisions), predicted_gain]
    for event in events:
        if isinstance(event, EngineCall):
            own = event.outcome is Outcome.DIRECT
            parts.append((event.engine, event.items, None if own else event.primitive))
        elif isinstance(event, Growth):
            parts.append((event.instead_of, id(event.p_graph), id(event.e_graph)))
        else:
            return None
    return tuple(parts)


def grown(graph: Graph, fragment: Graph, instead_of: str) -> Graph:
    """``graph`` with a fragment in the place of an ``Expand``, if it has that; kept by shape.

    Graphs are immutable and shared by all calls of a shape, so their identity is enough.
    """
    key = (id(graph), id(fragment), instead_of)
    known = _grown.get(key)
    if known is None:
        kept = graph.replace(remove=[instead_of]) if instead_of in graph else graph
        known = (graph, fragment, join(kept, fragment))
        _keep(_grown, key, known)
    return known[2]


Opening = tuple[Graph, Graph, Sequence[Decision], float | None]
"""The graphs a call begins with, what was decided about them, and their predicted gain."""


@dataclass(frozen=True, slots=True)
class _Settled:
    account: Account
    primitives: tuple[str, ...]
    alive: object
    """Whose identities are in the key: as long as they live, no other object has them."""


_CAPACITY: Final = 512
_accounts: dict[Hashable, _Settled] = {}
_grown: dict[tuple[int, int, str], tuple[Graph, Graph, Graph]] = {}

K = TypeVar("K")
V = TypeVar("V")


def _keep(memo: dict[K, V], key: K, value: V) -> None:
    if len(memo) >= _CAPACITY:
        memo.clear()  # Shapes are few; should they not be, there is nothing to be gained here.
    memo[key] = value

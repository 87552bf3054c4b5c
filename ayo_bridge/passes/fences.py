"""Which orders of the original program a rewrite must keep although no data flows.

A *fence* is a primitive whose order against others can be seen from outside: one of unknown effect
(against everything), a condition (against what it may leave out, and effects), a write (against
whatever uses the same engine). Of a condition of which nobody says what it chooses between, that is
everything after it. Legality is asked of the declared effects; an unknown effect means: keep.

Sets of fences are integers with one bit a fence, numbered in topological order, so that asking what
lies before each of ten thousand primitives costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ayo_bridge.graph.graph import Graph
from ayo_bridge.graph.primitive import Effect, Op, Primitive


def is_fence(primitive: Primitive) -> bool:
    """Whether the order of this primitive against others matters beyond its data."""
    return primitive.effect is not Effect.PURE or primitive.op is Op.CONDITION


def fences_of(graph: Graph) -> FenceSet | None:
    """The fences of ``graph``; ``None`` for a graph without any, as most are."""
    return graph.derive(FenceSet) if graph.derive(_fences) else None


def _fences(graph: Graph) -> list[str]:
    """Ids of the fences, as inserted."""
    pure, condition = Effect.PURE, Op.CONDITION
    return [p.id for p in graph if p.effect is not pure or p.op is condition]


def still_pruned(fences: FenceSet | None, new: Graph) -> Graph:
    """Return ``new``, rewritten from the graph of ``fences``, without superfluous order edges.

    Only if the old graph had none either: until dependency pruning has run, every order is kept.
    """
    if fences is None or not fences.are_pruned:
        return new
    edges = new.derive(FenceSet).edges()
    return new if set(edges) == set(new.order) else new.with_order(edges)


def _takers(graph: Graph, condition: Primitive) -> Iterator[str]:
    """What has to wait for a condition whose branches may start before it is decided.

    That is whoever takes a value which will be missing if another branch is chosen, unless it is
    left out then, too; and what would make the graph grow.
    """
    branches, optional = condition.speculative, condition.optional or frozenset()
    for primitive in graph:
        own = primitive.component
        if own in optional and primitive.op is Op.EXPAND:
            yield primitive.id
            continue
        makers = {graph[maker].component for v in primitive.inputs if (maker := graph.producer(v))}
        for maker in makers & optional:
            if own not in optional or any(own in b and maker not in b for b in branches):
                yield primitive.id
                break


class FenceSet:
    """The fences of one graph, and which of them lie before and after each primitive."""

    def __init__(self, graph: Graph) -> None:
        self._primitives = graph.primitives
        self._producers = graph.producers
        self._order_edges = graph.order
        self._ordered_before = graph.ordered_before
        order, fences = graph.topological_order(), frozenset(graph.derive(_fences))
        at = [i for i, name in enumerate(order) if name in fences]
        self.names = [order[i] for i in at]
        self.bits = {name: 1 << i for i, name in enumerate(self.names)}
        self._barriers = self._conditions = self._unknown_choices = 0
        self._writes: dict[str, int] = {}
        self._choices: dict[str, int] = {}
        self._takers: dict[str, int] = {}
        for name, bit in self.bits.items():
            fence = graph[name]
            if fence.effect is Effect.UNKNOWN:
                self._barriers |= bit
            elif fence.effect is Effect.WRITE:
                self._writes[fence.engine] = self._writes.get(fence.engine, 0) | bit
            else:
                self._conditions |= bit
                if fence.optional is None:
                    self._unknown_choices |= bit
                elif fence.speculative:
                    for taker in _takers(graph, fence):
                        self._takers[taker] = self._takers.get(taker, 0) | bit
                else:
                    for component in fence.optional:
                        self._choices[component] = self._choices.get(component, 0) | bit
        primitives, writes = self._primitives, self._writes
        against: Sequence[int] = range(len(order))
        if not self._barriers:
            against = [i for i, name in enumerate(order) if primitives[name].engine in writes]
        self._up_to_last_fence = order[against[0] : at[-1] + 1] if against else []
        """What lies from the first primitive that some fence must not pass to the last fence."""
        self._from_first_fence = order[at[0] : None if self._conditions else against[-1] + 1]
        """What lies from the first fence to the last primitive that a fence could hold back."""
        self._before = self._all_before()
        self._edges: list[tuple[str, str]] | None = None
        self._kept: dict[str | None, int] = {}
        """As ``_before``, but of data and the edges of :meth:`edges`."""

    def _all_before(self) -> dict[str | None, int]:
        """The fences that the graph puts before each primitive, and the primitive if it is one."""
        before: dict[str | None, int] = {}
        bits, producers, ordered = self.bits, self._producers, self._ordered_before
        for name in self._from_first_fence:
            found = bits.get(name, 0)
            for value in self._primitives[name].inputs:
                found |= before.get(producers.get(value), 0)
            for source in ordered.get(name, ()):
                found |= before.get(source, 0)
            before[name] = found
        return before

    @property
    def are_pruned(self) -> bool:
        """Whether the graph has no order edge but those of :meth:`edges`, and all of them."""
        return set(self._order_edges) == set(self.edges())

    def before(self, name: str) -> tuple[str, ...]:
        """The last fences that must end before the primitive ``name`` starts."""
        own = self.bits.get(name, 0)
        required = self._before.get(name, 0) & self._hold_back(self._primitives[name]) & ~own
        if not required:
            return ()
        self.edges()
        return tuple(self._last(required, own, self._kept))

    def edges(self) -> list[tuple[str, str]]:
        """The order edges that, with the data edges, keep every order that must be kept.

        What data edges and other such edges imply is left out. The result depends on the orders
        that must be kept only, not on which order edges the graph has for them.
        """
        if self._edges is None:
            forward = self._forward_edges()
            self._edges = forward + self._backward_edges(forward)
        return self._edges

    def _hold_back(self, primitive: Primitive) -> int:
        """The fences that ``primitive`` must not pass if they come before it."""
        if primitive.effect is Effect.UNKNOWN:
            return -1
        if primitive.effect is Effect.PURE:
            # What runs whatever is chosen may as well run before that is known.
            conditions = self._unknown_choices | self._choices.get(primitive.component, 0)
            conditions |= self._takers.get(primitive.id, 0)
        else:
            conditions = self._conditions
        return self._barriers | conditions | self._writes.get(primitive.engine, 0)

    def _wait_for(self, primitive: Primitive) -> int:
        """The fences that must not pass ``primitive`` if they come after it.

        Nothing for a fence, which holds them back itself.
        """
        if primitive.id in self.bits:
            return 0
        return self._barriers | self._writes.get(primitive.engine, 0)

    def _last(self, required: int, implied: int, before: Mapping[str | None, int]) -> Iterator[str]:
        """The fences of ``required`` not in ``implied`` and not before another of them."""
        while left := required & ~implied:
            fence = self.names[left.bit_length() - 1]
            yield fence
            implied |= before[fence]

    def _forward_edges(self) -> list[tuple[str, str]]:
        """Edges from fences to what they hold back."""
        edges: list[tuple[str, str]] = []
        bits, producers, kept = self.bits, self._producers, self._kept
        for name in self._from_first_fence:
            primitive = self._primitives[name]
            known = bits.get(name, 0)
            for value in primitive.inputs:
                known |= kept.get(producers.get(value), 0)
            before = self._before[name]
            required = before and before & self._hold_back(primitive)
            if required & ~known:
                for fence in self._last(required, known, kept):
                    edges.append((fence, name))
                    known |= kept[fence]
            kept[name] = known
        return edges

    def _backward_edges(self, forward: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Edges to fences from what they must not pass.

        Each primitive hands what comes after it on to those before it.
        """
        held: dict[str, list[str]] = {}
        for fence, name in forward:
            held.setdefault(name, []).append(fence)
        edges: list[tuple[str, str]] = []
        bits, producers = self.bits, self._producers
        after = dict.fromkeys(self._up_to_last_fence, 0)
        kept = after.copy()
        for name in reversed(self._up_to_last_fence):
            primitive = self._primitives[name]
            found, known = after.pop(name), kept[name]
            if required := found and found & self._wait_for(primitive):
                while left := required & ~known:
                    fence = self.names[(left & -left).bit_length() - 1]
                    edges.append((name, fence))
                    known |= kept[fence]
            if own := bits.get(name, 0):
                found |= own
                known |= own
            if not found:
                continue
            kept[name] = known
            for value in primitive.inputs:
                maker = producers.get(value)
                if maker in after:
                    after[maker] |= found
                    kept[maker] |= known
            for previous in self._ordered_before.get(name, ()):
                if previous in after:
                    after[previous] |= found
            for previous in held.get(name, ()):
                if previous in after:
                    kept[previous] |= known
        return edges

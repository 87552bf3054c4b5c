"""The upper tier's decisions: which primitives of one query may be dispatched now.

Pure state: events in (a value is there, a primitive has ended), primitives to dispatch out. It is
event-driven; nothing is polled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ayo_bridge.errors import GraphError
from ayo_bridge.graph import Graph, Primitive
from ayo_bridge.graph.graph import join


class GraphScheduler:
    """Dispatches the primitives of one e-graph in the order their inputs arrive.

    Invariants: a primitive is returned once, after all its predecessors have ended and all its
    input values are there; the graph may grow, never shrink.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values: dict[str, object] = {}
        self.ended: set[str] = set()
        self._missing: dict[str, set[str]] = {}
        self._before: dict[str, set[str]] = {}
        self._users: dict[str, list[str]] = {}
        self._depths: dict[str, int] = {}
        self._adopt(graph)

    def _adopt(self, graph: Graph) -> None:
        for primitive in graph:
            self._missing[primitive.id] = {v for v in primitive.inputs if v not in self.values}
            self._before[primitive.id] = set(graph.predecessors(primitive.id)) - self.ended
            for value in primitive.inputs:
                self._users.setdefault(value, []).append(primitive.id)
        self._depths.update(graph.depths())

    def depth(self, primitive_id: str) -> int:
        """Longest path from the primitive to the end of the query, in primitives."""
        return self._depths.get(primitive_id, 1)

    def start(self, values: Mapping[str, object]) -> list[Primitive]:
        """Give the query's inputs; returns the primitives that need nothing else."""
        self.values.update(values)
        for value in values:
            self._arrived(value)
        return self._ready(self._missing)

    def feed(self, values: Mapping[str, object]) -> list[Primitive]:
        """Give values made outside (by the framework); returns what became ready.

        The primitive that would have made a value counts as ended once all its outputs are there.
        """
        touched: set[str] = set()
        for name, value in values.items():
            self.values[name] = value
            touched |= self._arrived(name)
            maker = self.graph.producer(name)
            if maker is not None and all(o in self.values for o in self.graph[maker].outputs):
                touched |= self._end(maker)
        return self._ready(touched)

    def complete(self, primitive_id: str, values: Mapping[str, object]) -> list[Primitive]:
        """A dispatched primitive has ended with these outputs; returns what became ready."""
        unknown = set(values) - set(self.graph[primitive_id].outputs)
        if unknown:
            raise GraphError(f"{primitive_id!r} does not make {', '.join(sorted(unknown))}")
        touched = self._end(primitive_id)
        ready = self.feed(values)
        return [*ready, *self._ready(touched)]

    def extend(self, fragment: Graph, *, instead_of: str | None = None) -> list[Primitive]:
        """Let the graph grow by a fragment, in the place of an ``Expand`` whose data is there."""
        kept = [primitive for primitive in self.graph if primitive.id != instead_of]
        names = {primitive.id for primitive in kept}
        if instead_of is not None:
            self._missing.pop(instead_of, None)
            self.ended.add(instead_of)
        self.graph = join(
            Graph(
                kept,
                inputs=self.graph.inputs,
                order=[(a, b) for a, b in self.graph.order if a in names and b in names],
            ),
            fragment,
        )
        self._adopt(fragment)
        return self._ready(primitive.id for primitive in fragment)

    def _arrived(self, value: str) -> set[str]:
        """Note that a value is there; returns the primitives that still wait for something."""
        users = {user for user in self._users.get(value, ()) if user in self._missing}
        for user in users:
            self._missing[user].discard(value)
        return users

    def _end(self, primitive_id: str) -> set[str]:
        if primitive_id in self.ended:
            return set()
        self.ended.add(primitive_id)
        followers = self.graph.successors(primitive_id)
        for follower in followers:
            self._before[follower].discard(primitive_id)
        return set(followers)

    def _ready(self, candidates: Iterable[str]) -> list[Primitive]:
        ready = []
        for name in list(candidates):
            if name in self._missing and not self._missing[name] and not self._before[name]:
                del self._missing[name]
                if name not in self.ended:
                    ready.append(self.graph[name])
        return ready

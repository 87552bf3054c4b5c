"""The upper tier's decisions: which primitives of one query may be dispatched now.

Pure state: events in (a value is there, a primitive has ended), primitives to dispatch out. It is
event-driven; nothing is polled.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from ayo_bridge.errors import GraphError
from ayo_bridge.graph import Graph, Primitive
from ayo_bridge.graph.graph import join


class Missing(enum.Enum):
    """The type of :data:`MISSING`."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing.MISSING
"""The value of what was never made: an output of a skipped primitive, an item not decoded."""


class GraphScheduler:
    """Dispatches the primitives of one e-graph in the order their inputs arrive.

    Invariants: a primitive is returned once, after all its predecessors have ended and all its
    input values are there, or never, if it is skipped; the graph may grow, never shrink. What
    becomes ready together is returned in the graph's order.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values: dict[str, object] = {}
        self.ended: set[str] = set()
        self.skipped: set[str] = set()
        self._missing: dict[str, set[str]] = {}
        self._before: dict[str, set[str]] = {}
        self._users: dict[str, list[str]] = {}
        self._depths: dict[str, int] = {}
        self._rank: dict[str, int] = {}
        self._adopt(graph)

    def _adopt(self, graph: Graph) -> None:
        for primitive in graph:
            self._rank[primitive.id] = len(self._rank)
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

    def skip(self, primitive_ids: Iterable[str]) -> list[Primitive]:
        """Never dispatch these primitives; returns what became ready.

        A skipped primitive makes :data:`MISSING` when its turn comes, so that every order that the
        graph keeps is kept through it. What has been dispatched or has ended stays as it is.
        """
        names = {name for name in primitive_ids if name in self._missing}
        self.skipped |= names
        return self._ready(names)

    def extend(self, fragment: Graph, *, instead_of: str | None = None) -> list[Primitive]:
        """Let the graph grow by a fragment, in the place of an ``Expand`` whose data is there.

        What was ordered after the ``Expand`` waits for the end of the fragment.
        """
        kept = [primitive for primitive in self.graph if primitive.id != instead_of]
        names = {primitive.id for primitive in kept}
        order = [(a, b) for a, b in self.graph.order if a in names and b in names]
        followers: frozenset[str] = frozenset()
        if instead_of is not None:
            self._missing.pop(instead_of, None)
            self.ended.add(instead_of)
            followers = self.graph.successors(instead_of)
            held_back = [b for a, b in self.graph.order if a == instead_of]
            ends = [p.id for p in fragment if not fragment.successors(p.id)] if held_back else []
            order += [(end, name) for name in held_back for end in ends]
        self.graph = join(Graph(kept, inputs=self.graph.inputs), fragment, order)
        self._adopt(fragment)
        if followers:
            self._depths.update(self.graph.depths())
            for name in followers:
                self._before[name] = set(self.graph.predecessors(name)) - self.ended
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
        pending = deque(candidates)
        while pending:
            name = pending.popleft()
            if name not in self._missing or self._before[name]:
                continue
            skipped = name in self.skipped
            if self._missing[name] and not skipped:
                continue
            del self._missing[name]
            if name in self.ended:
                continue
            if skipped:
                pending.extend(self._pass_over(name))
            else:
                ready.append(self.graph[name])
        if len(ready) > 1:
            ready.sort(key=lambda primitive: self._rank[primitive.id])
        return ready

    def _pass_over(self, primitive_id: str) -> set[str]:
        """End a skipped primitive; returns those that waited for it."""
        touched = self._end(primitive_id)
        for value in self.graph[primitive_id].outputs:
            self.values[value] = MISSING
            touched |= self._arrived(value)
        return touched

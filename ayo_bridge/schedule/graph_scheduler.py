"""The upper tier's decisions: which primitives of one query may be dispatched now.

Pure state: events in (a value is there, a primitive has ended), primitives to dispatch out. It is
event-driven; nothing is polled.
"""

from __future__ import annotations

import enum
import heapq
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

    def __init__(self, graph: Graph, remaining: Mapping[str, float] | None = None) -> None:
        """``remaining`` is seconds from each primitive's start to the end, as far as estimated."""
        self.graph = graph
        self._remaining: Mapping[str, float] = remaining or {}
        self._under_way: list[tuple[float, str]] = []
        self.values: dict[str, object] = {}
        self.ended: set[str] = set()
        self.skipped: set[str] = set()
        self._shape = graph
        self._taken: set[str] = set()
        # What the shape, which queries share, does not know: primitives that came later.
        self._grown: dict[str, Graph] = {}
        self._grown_users: dict[str, list[str]] = {}
        self._depths: dict[str, int] = {}

    def depth(self, primitive_id: str) -> int:
        """Longest path from the primitive to the end of the query, in primitives."""
        known = self._depths.get(primitive_id)
        if known is None and primitive_id in self._shape:
            known = self._shape.depth(primitive_id)
        return known or 1

    def remaining(self, primitive_id: str) -> float:
        """Longest path from the primitive's start to the end of the query, in estimated seconds."""
        return self._remaining.get(primitive_id, 0.0)

    def left(self) -> float:
        """The longest such path of all primitives that were dispatched and have not ended."""
        under_way = self._under_way
        while under_way and under_way[0][1] in self.ended:
            heapq.heappop(under_way)
        return -under_way[0][0] if under_way else 0.0

    def is_coming(self, primitive_id: str) -> bool:
        """Whether a primitive has not ended and may still do so."""
        return primitive_id not in self.ended and primitive_id not in self.skipped

    def until(self, primitive_id: str) -> float | None:
        """Estimated seconds until a primitive starts, at most; ``None`` if nothing is known."""
        remaining = self.remaining(primitive_id)
        seconds = self.left() - remaining
        return seconds if remaining and seconds > 0 else None

    def start(self, values: Mapping[str, object]) -> list[Primitive]:
        """Give the query's inputs; returns the primitives that need nothing else."""
        self.values.update(values)
        return self._ready(self.graph.primitives)

    def feed(self, values: Mapping[str, object]) -> list[Primitive]:
        """Give values made outside (by the framework); returns what became ready.

        The primitive that would have made a value counts as ended once all its outputs are there.
        """
        return self._ready(self._fed(values))

    def complete(self, primitive_id: str, values: Mapping[str, object]) -> list[Primitive]:
        """A dispatched primitive has ended with these outputs; returns what became ready."""
        outputs = self.graph[primitive_id].outputs
        if unknown := [name for name in values if name not in outputs]:
            raise GraphError(f"{primitive_id!r} does not make {', '.join(sorted(unknown))}")
        return self._ready([*self._fed(values), *self._end(primitive_id)])

    def skip(self, primitive_ids: Iterable[str], *, revoke: bool = False) -> list[Primitive]:
        """Never dispatch these primitives; returns what became ready.

        A skipped primitive makes :data:`MISSING` when its turn comes, so that every order that the
        graph keeps is kept through it. What has been dispatched or has ended stays as it is, unless
        it is to be revoked: then it ends here, and what it has made is :data:`MISSING`.
        """
        names = set(primitive_ids)
        begun = names & (self._taken | self.ended)
        if not revoke:
            names -= begun
        self.skipped |= names
        pending = list(names - begun)
        for name in begun & names:
            pending.extend(self._pass_over(self.graph[name]))
        return self._ready(pending)

    def extend(
        self,
        fragment: Graph,
        *,
        instead_of: str | None = None,
        remaining: Mapping[str, float] | None = None,
    ) -> list[Primitive]:
        """Let the graph grow by a fragment, in the place of an ``Expand`` whose data is there.

        What was ordered after the ``Expand`` waits for the end of the fragment. ``remaining`` is
        that of the fragment alone; what follows it is added.
        """
        kept = [primitive for primitive in self.graph if primitive.id != instead_of]
        names = {primitive.id for primitive in kept}
        order = [(a, b) for a, b in self.graph.order if a in names and b in names]
        followers: frozenset[str] = frozenset()
        if instead_of is not None:
            self._taken.add(instead_of)
            self.ended.add(instead_of)
            followers = self.graph.successors(instead_of)
            after = max((self.remaining(name) for name in followers), default=0.0)
            grown = {name: seconds + after for name, seconds in (remaining or {}).items()}
            self._remaining = {**self._remaining, **grown}
            held_back = [b for a, b in self.graph.order if a == instead_of]
            ends = [p.id for p in fragment if not fragment.successors(p.id)] if held_back else []
            order += [(end, name) for name in held_back for end in ends]
        self.graph = join(Graph(kept, inputs=self.graph.inputs), fragment, order)
        for primitive in fragment:
            self._grown[primitive.id] = fragment
            for value in primitive.inputs:
                self._grown_users.setdefault(value, []).append(primitive.id)
        if followers:
            self._grown.update(dict.fromkeys(followers, self.graph))
            self._depths.update(self.graph.depths())
        else:
            self._depths.update(fragment.depths())
        return self._ready(fragment.primitives)

    def _fed(self, values: Mapping[str, object]) -> list[str]:
        """Take values in; returns the primitives that may be waiting for them."""
        touched: list[str] = []
        known, graph = self.values, self.graph
        known.update(values)
        for name in values:
            touched += self._users(name)
            maker = graph.producer(name)
            if maker is not None and maker not in self.ended:
                outputs = graph[maker].outputs
                if len(outputs) == 1 or all(output in known for output in outputs):
                    touched += self._end(maker)
        return touched

    def _users(self, value: str) -> Iterable[str]:
        """The primitives that take a value, and may be waiting for it."""
        users = self._shape.users(value)
        return (*users, *self._grown_users[value]) if value in self._grown_users else users

    def _end(self, primitive_id: str) -> frozenset[str]:
        """Note that a primitive has ended; returns those that come after it."""
        if primitive_id in self.ended:
            return frozenset()
        self.ended.add(primitive_id)
        return self.graph.successors(primitive_id)

    def _ready(self, candidates: Iterable[str]) -> list[Primitive]:
        ready = []
        taken, ended, known, grown = self._taken, self.ended, self.values, self._grown
        primitives = self.graph.primitives
        pending = list(candidates)
        for name in pending:  # which grows
            if name in taken:
                continue
            shape = grown.get(name, self._shape) if grown else self._shape
            if not shape.may_follow(name, ended):
                continue
            primitive = primitives[name]
            skipped = name in self.skipped
            if not skipped and not all(map(known.__contains__, primitive.inputs)):
                continue
            taken.add(name)
            if name in ended:
                continue
            if skipped:
                pending.extend(self._pass_over(primitive))
            else:
                ready.append(primitive)
                if self._remaining:
                    heapq.heappush(self._under_way, (-self.remaining(name), name))
        if len(ready) > 1:
            ready.sort(key=lambda primitive: self.graph.rank(primitive.id))
        return ready

    def _pass_over(self, primitive: Primitive) -> set[str]:
        """End a skipped primitive; returns those that waited for it."""
        touched = set(self._end(primitive.id))
        for value in primitive.outputs:
            self.values[value] = MISSING
            touched.update(self._users(value))
        return touched

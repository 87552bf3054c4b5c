"""Primitive graphs: p-graphs before the passes, e-graphs after them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from ayo_bridge.errors import GraphError
from ayo_bridge.graph.primitive import Primitive


@dataclass(frozen=True, slots=True)
class Edge:
    """``target`` comes after ``source``: for the data ``value``, or for order only (``None``)."""

    source: str
    target: str
    value: str | None = None


class Graph:
    """An immutable directed acyclic graph of primitives.

    Data edges follow from the names: a primitive that lists a value among its inputs has an edge
    from the primitive that lists it among its outputs. Order-only edges are given. ``inputs`` are
    the values known when a query is submitted.

    Iteration is in insertion order, which is the order the original program would run in.
    """

    __slots__ = (
        "_depths",
        "_edges",
        "_predecessors",
        "_producers",
        "_ranks",
        "_sorted",
        "_successors",
        "_users",
        "inputs",
        "primitives",
    )

    def __init__(
        self,
        primitives: Iterable[Primitive],
        *,
        inputs: Iterable[str] = (),
        order: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Build the graph.

        Raises:
            GraphError: an id or a value's producer is not unique, or an order edge names a
                primitive that is not there.
        """
        self.inputs: frozenset[str] = frozenset(inputs)
        self.primitives: dict[str, Primitive] = {}
        self._producers: dict[str, str] = {}
        for primitive in primitives:
            if primitive.id in self.primitives:
                raise GraphError(f"two primitives are called {primitive.id!r}")
            self.primitives[primitive.id] = primitive
            for value in primitive.outputs:
                if value in self._producers or value in self.inputs:
                    raise GraphError(
                        f"value {value!r} of {primitive.id!r} has another producer already"
                    )
                self._producers[value] = primitive.id
        self._edges = tuple(self._connect(order))
        self._predecessors: dict[str, set[str]] = {name: set() for name in self.primitives}
        self._successors: dict[str, set[str]] = {name: set() for name in self.primitives}
        for edge in self._edges:
            self._predecessors[edge.target].add(edge.source)
            self._successors[edge.source].add(edge.target)
        self._sorted: tuple[str, ...] | None = None
        self._depths: dict[str, int] | None = None
        self._users: dict[str, tuple[str, ...]] | None = None
        self._ranks: dict[str, int] | None = None

    def _connect(self, order: Iterable[tuple[str, str]]) -> Iterator[Edge]:
        carried: set[tuple[str, str]] = set()
        for primitive in self.primitives.values():
            for value in primitive.inputs:
                source = self._producers.get(value)
                if source is not None:
                    carried.add((source, primitive.id))
                    yield Edge(source, primitive.id, value)
        for source, target in dict.fromkeys(order):
            if source not in self.primitives or target not in self.primitives:
                raise GraphError(f"an order edge joins unknown primitives: {source} -> {target}")
            if (source, target) not in carried:
                yield Edge(source, target)

    def __iter__(self) -> Iterator[Primitive]:
        return iter(self.primitives.values())

    def __len__(self) -> int:
        return len(self.primitives)

    def __contains__(self, primitive_id: object) -> bool:
        return primitive_id in self.primitives

    def __getitem__(self, primitive_id: str) -> Primitive:
        return self.primitives[primitive_id]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        return (
            self.primitives == other.primitives
            and set(self._edges) == set(other._edges)
            and self.inputs == other.inputs
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, data edges first."""
        return self._edges

    @property
    def order(self) -> tuple[tuple[str, str], ...]:
        """The order-only edges."""
        return tuple((edge.source, edge.target) for edge in self._edges if edge.value is None)

    def predecessors(self, primitive_id: str) -> frozenset[str]:
        """Ids of the primitives that must end before this one starts."""
        return frozenset(self._predecessors[primitive_id])

    def successors(self, primitive_id: str) -> frozenset[str]:
        """Ids of the primitives that wait for this one."""
        return frozenset(self._successors[primitive_id])

    def producer(self, value: str) -> str | None:
        """Id of the primitive that makes ``value``; ``None`` for a graph input."""
        return self._producers.get(value)

    def topological_order(self) -> list[str]:
        """Ids so that each comes after its predecessors; ties keep insertion order.

        Raises:
            GraphError: the graph has a cycle.
        """
        if self._sorted is None:  # Every pass asks: a third of the time of optimising a graph.
            self._sorted = tuple(self._sort())
        return list(self._sorted)

    def _sort(self) -> list[str]:
        waiting = {name: len(before) for name, before in self._predecessors.items()}
        ready = deque(name for name, count in waiting.items() if count == 0)
        rank = {name: index for index, name in enumerate(self.primitives)}
        result: list[str] = []
        while ready:
            name = ready.popleft()
            result.append(name)
            for successor in sorted(self._successors[name], key=rank.__getitem__):
                waiting[successor] -= 1
                if waiting[successor] == 0:
                    ready.append(successor)
        if len(result) != len(self.primitives):
            cycle = sorted(name for name, count in waiting.items() if count > 0)
            raise GraphError(f"the graph has a cycle among {', '.join(cycle)}")
        return result

    def depths(self) -> dict[str, int]:
        """Longest path to a sink, in primitives; a sink has depth 1 (paper, Fig. 7)."""
        return dict(self._depth_of())

    def depth(self, primitive_id: str) -> int:
        """Longest path from the primitive to a sink."""
        return self._depth_of()[primitive_id]

    def _depth_of(self) -> dict[str, int]:
        if self._depths is None:  # Every query of this shape asks.
            depths: dict[str, int] = {}
            for name in reversed(self.topological_order()):
                depths[name] = 1 + max((depths[s] for s in self._successors[name]), default=0)
            self._depths = depths
        return self._depths

    def users(self, value: str) -> tuple[str, ...]:
        """Ids of the primitives that take ``value``."""
        if self._users is None:
            users: dict[str, list[str]] = {}
            for primitive in self.primitives.values():
                for name in dict.fromkeys(primitive.inputs):
                    users.setdefault(name, []).append(primitive.id)
            self._users = {name: tuple(ids) for name, ids in users.items()}
        return self._users.get(value, ())

    def rank(self, primitive_id: str) -> int:
        """The primitive's place in the order of the original program."""
        if self._ranks is None:
            self._ranks = {name: rank for rank, name in enumerate(self.primitives)}
        return self._ranks[primitive_id]

    def may_follow(self, primitive_id: str, ended: AbstractSet[str]) -> bool:
        """Whether all primitives that must end before this one are among ``ended``."""
        return self._predecessors[primitive_id] <= ended

    def verify(self) -> None:
        """Check every invariant of a primitive graph.

        Raises:
            GraphError: what is wrong and where.
        """
        self.topological_order()
        for primitive in self.primitives.values():
            for value in primitive.inputs:
                if value not in self._producers and value not in self.inputs:
                    raise GraphError(f"{primitive.id!r} needs {value!r}, which nothing makes")
            for part in primitive.prompt:
                if part.value is not None and part.value not in primitive.inputs:
                    raise GraphError(
                        f"the prompt of {primitive.id!r} uses {part.value!r}, not an input of it"
                    )

    def replace(
        self,
        *,
        remove: Iterable[str] = (),
        add: Iterable[Primitive] = (),
        order: Iterable[tuple[str, str]] | None = None,
    ) -> Graph:
        """Return a new graph; an added primitive with a removed one's id takes its place.

        Order edges that touch a removed primitive go with it; ``order``, if given, replaces them
        all.
        """
        gone = set(remove)
        new = {primitive.id: primitive for primitive in add}
        kept = [
            new.pop(primitive.id, primitive)
            for primitive in self.primitives.values()
            if primitive.id not in gone or primitive.id in new
        ]
        primitives = [*kept, *new.values()]
        names = {primitive.id for primitive in primitives}
        edges = self.order if order is None else order
        return Graph(
            primitives,
            inputs=self.inputs,
            order=[(a, b) for a, b in edges if a in names and b in names],
        )


def join(graph: Graph, fragment: Graph, order: Iterable[tuple[str, str]] = ()) -> Graph:
    """The graph that holds both; what one makes is no input of the whole.

    ``order`` are order edges in addition to those of both, and may lead from one to the other.
    """
    made = {v for part in (graph, fragment) for p in part for v in p.outputs}
    return Graph(
        [*graph, *fragment],
        inputs=(graph.inputs | fragment.inputs) - made,
        order=[*graph.order, *fragment.order, *order],
    )

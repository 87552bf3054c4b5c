"""Primitive graphs: p-graphs before the passes, e-graphs after them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, TypeVar

from ayo_bridge.errors import GraphError
from ayo_bridge.graph.primitive import Primitive

T = TypeVar("T")


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

    __slots__ = ("_derived", "_order", "_verified", "inputs", "primitives", "producers")

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
        given = frozenset(inputs)
        found: dict[str, Primitive] = {}
        producers: dict[str, str] = {}
        for primitive in primitives:
            name = primitive.id
            if name in found:
                raise GraphError(f"two primitives are called {name!r}")
            found[name] = primitive
            for value in primitive.outputs:
                if value in producers or value in given:
                    raise GraphError(f"value {value!r} of {name!r} has another producer already")
                producers[value] = name
        self.inputs: frozenset[str] = given
        self.primitives: Mapping[str, Primitive] = found
        self.producers: Mapping[str, str] = producers
        """Ids by the values that they make."""
        self._connect(order)

    def _connect(self, order: Iterable[tuple[str, str]]) -> None:
        """Keep the order edges that no data edge goes along."""
        kept: list[tuple[str, str]] = []
        makers: dict[str, frozenset[str]] = {}
        for edge in dict.fromkeys(order):
            source, target = edge
            if source not in self.primitives or target not in self.primitives:
                raise GraphError(f"an order edge joins unknown primitives: {source} -> {target}")
            if target not in makers:
                makers[target] = self.makers(target)
            if source not in makers[target]:
                kept.append(edge)
        self._order = tuple(kept)
        self._verified = False
        self._derived: dict[object, Any] = {}

    def with_order(self, order: Iterable[tuple[str, str]]) -> Graph:
        """The same primitives with these order edges instead of those there are."""
        made = Graph.__new__(Graph)
        made.inputs, made.primitives = self.inputs, self.primitives
        made.producers = self.producers
        made._connect(order)
        made._derived[_users] = self.derive(_users)
        return made

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
            and set(self._order) == set(other._order)
            and self.inputs == other.inputs
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, data edges first."""
        data = [
            Edge(source, primitive.id, value)
            for primitive in self
            for value in primitive.inputs
            if (source := self.producers.get(value)) is not None
        ]
        return (*data, *(Edge(source, target) for source, target in self._order))

    @property
    def order(self) -> tuple[tuple[str, str], ...]:
        """The order-only edges."""
        return self._order

    def predecessors(self, primitive_id: str) -> frozenset[str]:
        """Ids of the primitives that must end before this one starts."""
        return self.derive(_predecessors)[primitive_id]

    def makers(self, primitive_id: str) -> frozenset[str]:
        """Ids of the primitives whose values this one takes."""
        producers = self.producers
        inputs = self.primitives[primitive_id].inputs
        return frozenset([producers[value] for value in inputs if value in producers])

    @property
    def ordered_before(self) -> Mapping[str, Sequence[str]]:
        """Of each primitive to which order edges lead, the ids from which they do."""
        return self.derive(_ordered_before)

    def successors(self, primitive_id: str) -> frozenset[str]:
        """Ids of the primitives that wait for this one."""
        return self.derive(_successors)[primitive_id]

    def derive(self, make: Callable[[Graph], T]) -> T:
        """``make(self)``, worked out once: a graph never changes, and many ask the same of it.

        What is made must not refer to the graph, which would then live until the garbage collector
        finds it.
        """
        found: T | None = self._derived.get(make)
        if found is None:
            found = self._derived[make] = make(self)
        return found

    def producer(self, value: str) -> str | None:
        """Id of the primitive that makes ``value``; ``None`` for a graph input."""
        return self.producers.get(value)

    def topological_order(self) -> list[str]:
        """Ids so that each comes after its predecessors; ties keep insertion order.

        Raises:
            GraphError: the graph has a cycle.
        """
        return list(self.derive(_sort))

    def depths(self) -> dict[str, int]:
        """Longest path to a sink, in primitives; a sink has depth 1 (paper, Fig. 7)."""
        return dict(self.derive(_depths))

    def depth(self, primitive_id: str) -> int:
        """Longest path from the primitive to a sink."""
        return self.derive(_depths)[primitive_id]

    def users(self, value: str) -> Sequence[str]:
        """Ids of the primitives that take ``value``."""
        return self.derive(_users).get(value, ())

    def rank(self, primitive_id: str) -> int:
        """The primitive's place in the order of the original program."""
        return self.derive(_ranks)[primitive_id]

    def may_follow(self, primitive_id: str, ended: AbstractSet[str]) -> bool:
        """Whether all primitives that must end before this one are among ``ended``."""
        return self.derive(_predecessors)[primitive_id] <= ended

    def verify(self) -> None:
        """Check every invariant of a primitive graph.

        Raises:
            GraphError: what is wrong and where.
        """
        if self._verified:
            return
        self.derive(_sort)
        for value, users in self.derive(_users).items():
            if value not in self.producers and value not in self.inputs:
                raise GraphError(f"{users[0]!r} needs {value!r}, which nothing makes")
        for primitive in self.primitives.values():
            if not primitive.prompt:
                continue
            known = {None, *primitive.inputs}
            for part in primitive.prompt:
                if part.value not in known:
                    raise GraphError(
                        f"the prompt of {primitive.id!r} uses {part.value!r}, not an input of it"
                    )
        self._verified = True

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


def _sort(graph: Graph) -> list[str]:
    primitives, users = graph.primitives, graph.derive(_users)
    waiting = dict.fromkeys(primitives, 0)
    for value in graph.producers:
        for user in users.get(value, ()):
            waiting[user] += 1
    after: dict[str, list[str]] = {}
    for source, target in graph.order:
        waiting[target] += 1
        after.setdefault(source, []).append(target)
    result = [name for name, count in waiting.items() if not count]
    for name in result:  # which grows
        outputs = primitives[name].outputs
        if len(outputs) == 1 and name not in after:
            following = users.get(outputs[0], ())
        else:
            following = [user for value in outputs for user in users.get(value, ())]
            following += after.get(name, ())
            if len(following) > 1:
                following.sort(key=graph.rank)
        for successor in following:
            waiting[successor] -= 1
            if not waiting[successor]:
                result.append(successor)
    if len(result) != len(waiting):
        cycle = sorted(name for name, count in waiting.items() if count > 0)
        raise GraphError(f"the graph has a cycle among {', '.join(cycle)}")
    return result


def _depths(graph: Graph) -> dict[str, int]:
    depths = dict.fromkeys(graph.primitives, 1)
    producers, before = graph.producers, graph.ordered_before
    for name in reversed(graph.derive(_sort)):
        depth = depths[name] + 1
        for value in graph.primitives[name].inputs:
            maker = producers.get(value)
            if maker is not None and depths[maker] < depth:
                depths[maker] = depth
        for source in before.get(name, ()):
            depths[source] = max(depths[source], depth)
    return depths


def _users(graph: Graph) -> dict[str, Sequence[str]]:
    # Most values have one user. A tuple of strings is nothing to the collector of garbage, which
    # would walk a list for each value of a large graph again and again.
    users: dict[str, Sequence[str]] = {}
    many: dict[str, list[str]] = {}
    for name, primitive in graph.primitives.items():
        inputs = primitive.inputs
        for value in inputs if len(inputs) < 2 else dict.fromkeys(inputs):
            if value not in users:
                users[value] = (name,)
            elif value in many:
                many[value].append(name)
            else:
                users[value] = many[value] = [*users[value], name]
    return users


def _ordered_before(graph: Graph) -> dict[str, list[str]]:
    before: dict[str, list[str]] = {}
    for source, target in graph.order:
        before.setdefault(target, []).append(source)
    return before


def _predecessors(graph: Graph) -> dict[str, frozenset[str]]:
    before = graph.ordered_before
    return {name: graph.makers(name).union(before.get(name, ())) for name in graph.primitives}


def _successors(graph: Graph) -> dict[str, frozenset[str]]:
    after: dict[str, list[str]] = {name: [] for name in graph.primitives}
    for target, sources in graph.derive(_predecessors).items():
        for source in sources:
            after[source].append(target)
    return {name: frozenset(targets) for name, targets in after.items()}


def _ranks(graph: Graph) -> dict[str, int]:
    return {name: rank for rank, name in enumerate(graph.primitives)}

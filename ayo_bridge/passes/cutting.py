"""Cutting a batchable primitive into parts, and following the cut downstream.

Shared by value cutting, stage decomposition and decoding pipelining: these differ in what they cut
first, not in how batchable successors follow or where the parts are joined again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from ayo_bridge.graph.graph import Graph
from ayo_bridge.graph.primitive import Effect, Op, Primitive
from ayo_bridge.passes.fences import FenceSet, fences_of, still_pruned

EXACT_IN_ANY_BATCH = frozenset({Op.SEARCHING, Op.INGESTION, Op.API_CALL})
"""Operations whose result for an item does not depend on what else is in the batch, to the bit."""
_LISTS = frozenset({Op.DECODING, Op.EMBEDDING, Op.SEARCHING, Op.RERANKING, Op.INGESTION})
"""Operations whose output value is a list of ``items`` items."""


def batch_inputs(primitive: Primitive) -> tuple[str, ...]:
    """The inputs that hold the items of a batchable primitive, in order.

    All of them, but for a reranking of several inputs: its first is the query.
    """
    if primitive.op is Op.RERANKING and len(primitive.inputs) > 1:
        return primitive.inputs[1:]
    return primitive.inputs


def may_be_cut(primitive: Primitive, *, strict: bool) -> bool:
    """Whether running the primitive in parts gives what running it whole would."""
    return (
        primitive.batchable
        and primitive.stage is None
        and primitive.effect is not Effect.UNKNOWN
        and len(primitive.outputs) == 1
        and (not strict or primitive.op in EXACT_IN_ANY_BATCH)
    )


def part_of(graph: Graph, primitive: Primitive) -> slice | None:
    """The items that a stage takes of the list its batch inputs make together.

    ``None`` if its inputs are parts already, or it is no stage at all: it then takes all of them.
    The last stage takes whatever is left, since the number of items was an estimate.
    """
    if primitive.stage is None or not primitive.batchable:
        return None
    suffix = f"[{primitive.stage}]"
    for value in batch_inputs(primitive):
        producer = graph.producer(value)
        if value.endswith(suffix) and producer and graph[producer].stage == primitive.stage:
            return None
    whole = primitive.id.removesuffix(suffix)
    start = primitive.stage * graph[f"{whole}[0]"].items
    is_last = f"{whole}[{primitive.stage + 1}]" not in graph
    return slice(start, None if is_last else start + primitive.items)


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """Cut ``total`` items in proportion to ``weights``; every share is at least one."""
    whole = sum(weights)
    marks = [0]
    for weight in weights:
        marks.append(marks[-1] + weight)
    return [max(total * b // whole - total * a // whole, 1) for a, b in pairwise(marks)]


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a list value; ``items`` is 0 while nobody knows."""

    suffix: str
    value: str
    items: int
    stage: int | None


def _weights(total: int, pieces: Sequence[_Part]) -> list[int]:
    """Items of each piece; those of unknown size share what the others leave."""
    unknown = sum(1 for piece in pieces if not piece.items)
    left = total - sum(piece.items for piece in pieces)
    rest = iter(shares(max(left, unknown), [1] * unknown) if unknown else ())
    return [piece.items or next(rest) for piece in pieces]


class Cutter:
    """Rewrites a graph by cutting primitives, in topological order.

    ``follows`` says which primitives may work on parts as these arrive. A pass visits every
    primitive with :meth:`sweep` and cuts where it sees fit.
    """

    def __init__(self, graph: Graph, follows: Callable[[Primitive], bool]) -> None:
        self.graph = graph
        self._follows = follows
        self._cut: dict[str, list[Primitive]] = {}
        self._changed: dict[str, Primitive] = {}
        self._joins: dict[str, Primitive] = {}
        self._takes_parts: set[str] = set()
        self._followers: dict[str, tuple[Primitive, ...]] = {}

    def followers(self, primitive: Primitive) -> tuple[Primitive, ...]:
        """The primitives that could work on parts of this one's output as they arrive."""
        found = self._followers.get(primitive.id)
        if found is None:
            found = self._followers[primitive.id] = tuple(
                user
                for value in primitive.outputs
                for user in map(self.graph.primitives.__getitem__, self.graph.users(value))
                if self._follows(user) and value in batch_inputs(user)
            )
        return found

    def is_cut(self, value: str) -> bool:
        """Whether the value now arrives in parts."""
        return self.graph.producer(value) in self._cut

    def sweep(self, start: Callable[[Primitive], None]) -> Graph:
        """Visit every primitive, following cuts made upstream; return the resulting graph.

        ``start`` is called for each primitive that does not follow, and may cut it.
        """
        for name in self.graph.topological_order():
            primitive = self.graph[name]
            if name not in self._takes_parts:
                start(primitive)
                continue
            if any(map(self.is_cut, batch_inputs(primitive))) and self._follows(primitive):
                self.by_input(primitive)
            else:
                start(primitive)
            if name not in self._cut:
                if primitive.op is Op.AGGREGATE:
                    self._splice(primitive)
                else:
                    self._join_inputs(primitive)
        return self._result() if self._cut else self.graph

    def by_input(self, primitive: Primitive) -> None:
        """Cut so that each part takes one input value, or one part of it."""
        values = batch_inputs(primitive)
        pieces = [
            _Part(f"[{value}]{part.suffix}", part.value, part.items, part.stage)
            if len(values) > 1
            else part
            for value in values
            for part in self._pieces(value)
        ]
        shared = primitive.inputs[: len(primitive.inputs) - len(values)]
        items = shares(primitive.items, _weights(primitive.items, pieces))
        self._record(
            primitive,
            [
                self._make(primitive, piece.suffix, (*shared, piece.value), count, piece.stage)
                for piece, count in zip(pieces, items, strict=True)
            ],
        )
        for value in shared:
            if self.is_cut(value):
                self._join(value)

    def into_stages(self, primitive: Primitive, size: int) -> None:
        """Cut into stages of ``size`` items; each takes its slice of the whole input."""
        self._record(
            primitive,
            [
                self._make(
                    primitive, f"[{i}]", primitive.inputs, min(size, primitive.items - i * size), i
                )
                for i in range(-(-primitive.items // size))
            ],
        )
        self._join_inputs(primitive)

    def into_items(self, decode: Primitive) -> None:
        """Cut a decode into one partial decoding an item, each after the one before."""
        tokens = shares(decode.tokens, [1] * decode.items) if decode.tokens else [0] * decode.items
        value = decode.outputs[0]
        self._record(
            decode,
            [
                Primitive(
                    id=f"{decode.id}[{i}]",
                    op=Op.PARTIAL_DECODING,
                    component=decode.component,
                    engine=decode.engine,
                    inputs=(*decode.inputs, f"{value}[{i - 1}]") if i else decode.inputs,
                    outputs=(f"{value}[{i}]",),
                    tokens=tokens[i],
                    stage=i,
                    origin=decode.root,
                )
                for i in range(decode.items)
            ],
        )
        self._join_inputs(decode)

    def gain(
        self,
        primitive: Primitive,
        fraction: float,
        seconds: Callable[[Primitive], float | None],
    ) -> float | None:
        """Seconds saved downstream if only ``fraction`` of the items is left at the end.

        Of all chains of followers the one that saves most counts; ``None`` if one is unknown.
        """
        best = 0.0
        for follower in self.followers(primitive):
            last = self._make(
                follower, "", follower.inputs, max(round(follower.items * fraction), 1), None
            )
            whole, part = seconds(follower), seconds(last)
            further = self.gain(follower, fraction, seconds)
            if whole is None or part is None or further is None:
                return None
            best = max(best, whole - part + further)
        return best

    def _pieces(self, value: str) -> list[_Part]:
        """The parts of a value; the whole, if it is not cut."""
        producer = self.graph.producer(value)
        if producer is None:
            return [_Part("", value, 0, None)]
        if producer not in self._cut:
            made = self.graph[producer]
            return [_Part("", value, made.items if made.op in _LISTS else 0, None)]
        return [
            _Part(part.id[len(producer) :], part.outputs[0], part.items, part.stage)
            for part in self._cut[producer]
        ]

    def _make(
        self,
        primitive: Primitive,
        suffix: str,
        inputs: tuple[str, ...],
        items: int,
        stage: int | None,
    ) -> Primitive:
        # Written out, for dataclasses.replace takes twice as long.
        return Primitive(
            id=primitive.id + suffix,
            op=primitive.op,
            component=primitive.component,
            engine=primitive.engine,
            inputs=inputs,
            outputs=(primitive.outputs[0] + suffix,),
            effect=primitive.effect,
            items=items,
            tokens=primitive.tokens,
            prompt=primitive.prompt,
            batchable=primitive.batchable,
            splittable=primitive.splittable,
            stage=stage,
            concurrent=primitive.concurrent,
            origin=primitive.root,
            optional=primitive.optional,
            speculative=primitive.speculative,
            serves=primitive.serves,
        )

    def _record(self, primitive: Primitive, parts: list[Primitive]) -> None:
        self._cut[primitive.id] = parts
        value = primitive.outputs[0]
        users = self.graph.users(value)
        self._takes_parts.update(users)
        if not users:
            self._join(value)

    def _join_inputs(self, primitive: Primitive) -> None:
        for value in primitive.inputs:
            if self.is_cut(value):
                self._join(value)

    def _join(self, value: str) -> None:
        """Have the whole value made again from its parts, in the original order."""
        if value in self._joins:
            return
        producer = self.graph[self.graph.producer(value) or ""]
        parts = self._cut[producer.id]
        self._joins[value] = Primitive(
            id=f"{producer.id}.join",
            op=Op.AGGREGATE,
            component=producer.component,
            inputs=tuple(part.outputs[0] for part in parts),
            outputs=(value,),
            items=sum(part.items for part in parts),
            origin=producer.root,
        )

    def _splice(self, aggregate: Primitive) -> None:
        """Let an aggregate take the parts themselves; joining twice would only delay it."""
        inputs = tuple(part.value for value in aggregate.inputs for part in self._pieces(value))
        self._changed[aggregate.id] = Primitive(
            id=aggregate.id,
            op=aggregate.op,
            component=aggregate.component,
            inputs=inputs,
            outputs=aggregate.outputs,
            items=aggregate.items,
            origin=aggregate.origin,
        )

    def _result(self) -> Graph:
        primitives: list[Primitive] = []
        for name, primitive in self.graph.primitives.items():
            parts = self._cut.get(name)
            if parts is None:
                primitives.append(self._changed.get(name, primitive))
                continue
            primitives += parts
            for value in primitive.outputs:
                if value in self._joins:
                    primitives.append(self._joins[value])
        fences = fences_of(self.graph)
        order = self._order(fences)
        return still_pruned(fences, Graph(primitives, inputs=self.graph.inputs, order=order))

    def _order(self, fences: FenceSet | None) -> list[tuple[str, str]]:
        """Order edges for the parts.

        A part takes only some of the data of the whole and must not slip past a fence for that;
        the parts of a write stay in order.
        """
        kept = list(self.graph.order)
        if fences is not None:
            kept += [(fence, name) for name in self._cut for fence in fences.before(name)]
        edges = [
            edge
            for source, target in kept
            for edge in product(self._ids(source, -1), self._ids(target, 0))
        ]
        for parts in self._cut.values():
            if parts[0].effect is not Effect.PURE:
                edges += pairwise(part.id for part in parts)
        return edges

    def _ids(self, name: str, end: int) -> list[str]:
        """Ids of the parts; of a write, whose parts form a chain, the one at its ``end``."""
        parts = self._cut.get(name)
        if parts is None:
            return [name]
        if parts[0].effect is not Effect.PURE:
            return [parts[end].id]
        return [part.id for part in parts]

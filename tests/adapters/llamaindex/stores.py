"""Stores with nodes, and scopes in which calls to them run ahead."""

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

from ayo_bridge.graph import Graph, Op, Primitive, Template
from ayo_bridge.runahead import Plan, Scope
from ayo_bridge.runtime import Runtime
from ayo_bridge.schedule import Work
from ayo_bridge.seam import Call, Outcome
from tests.differential.llama_index_parts import postgres_store
from tests.scopes import open_scope

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres

DEADLINE = 30.0
DIMENSIONS = 8
WORDS = ("ferry", "harbour", "island", "winter", "council")
_tables = itertools.count()


def vector(number: int) -> list[float]:
    return [((number * 37 + k * 11) % 23) / 7.0 + 0.1 for k in range(DIMENSIONS)]


def make_nodes(count: int, *, document: str = "doc", start: int = 0) -> list[TextNode]:
    return [
        TextNode(
            id_=f"{document}-{i}",
            text=f"The {WORDS[i % 5]} and the {WORDS[i % 3]}, number {i}: naïve 🚢",
            metadata={"page": i, "kind": WORDS[i % 2], "tags": ["a", "b"]},
            embedding=vector(i),
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)},
        )
        for i in range(start, start + count)
    ]


def make_query(number: int = 3, **changes: Any) -> VectorStoreQuery:
    return VectorStoreQuery(**{"query_embedding": vector(number), "similarity_top_k": 4, **changes})


FILTERS = MetadataFilters(
    filters=[
        MetadataFilter(key="kind", value="ferry"),
        MetadataFilter(key="page", value=3, operator=FilterOperator.GT),
    ],
    condition=FilterCondition.AND,
)


def content(result: VectorStoreQueryResult) -> tuple[Any, ...]:
    nodes = [] if result.nodes is None else [node.to_dict() for node in result.nodes]
    return (nodes, result.similarities, result.ids)


def make_postgres_store(server: "EmbeddedPostgres", **options: Any) -> Any:
    given = {"table_name": f"stores_{next(_tables)}", "embed_dim": DIMENSIONS, **options}
    return postgres_store(server, **given)


def rows(store: Any) -> list[tuple[Any, ...]]:
    """All columns but the number that Postgres counts by itself, as Postgres prints them."""
    from sqlalchemy import text

    table = f"{store.schema_name}.data_{store.table_name}"
    with store._engine.connect() as connection:
        found = connection.execute(
            text(f"SELECT node_id, text, metadata_::text, embedding::text FROM {table} ORDER BY id")
        )
        return [tuple(row) for row in found]


class Ahead:
    """A maker of one primitive with the given calls."""

    def __init__(self) -> None:
        self.made: Sequence[Call] = ()
        self.results: list[Any] = []
        self.ended = threading.Event()

    def calls(self, work: Work) -> Sequence[Call]:
        return self.made

    def outputs(self, work: Work, results: Sequence[object]) -> dict[str, object]:
        self.results = list(results)
        self.ended.set()
        return {"made": list(results)}


def ahead(
    runtime: Runtime, engine: str, make: Callable[[Scope], Sequence[Call]], op: Op = Op.SEARCHING
) -> tuple[Scope, Ahead]:
    """A scope in which calls run ahead; returns when they have ended."""
    primitive = Primitive("made", op, "c", engine, outputs=("made",))
    graph, maker = Graph([primitive]), Ahead()
    plan = Plan(Template(()), graph, graph, ahead=frozenset({"made"}), makers={("c", op): maker})
    scope = open_scope(runtime, plan)
    maker.made = make(scope)
    scope.start({})
    assert maker.ended.wait(DEADLINE)
    return scope, maker


def outcomes(scope: Scope) -> list[Outcome]:
    return [call.outcome for call in scope.record.calls]

"""Rows that an accelerated call copies into Postgres are those that the store inserts."""

import asyncio
import importlib
import math
import random
import struct
import sys
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode
from sqlalchemy import event

from ayo_bridge import accelerate, explain
from ayo_bridge.engines import postgres_binary as binary
from ayo_bridge.runahead import Plan, Scope
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import entered
from ayo_llamaindex import copying
from tests.adapters.llamaindex.stores import make_nodes, make_postgres_store, rows
from tests.scopes import open_scope

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres

COUNT = 40


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows were copied, call by call; a COPY that was refused counts none."""
    counted: list[int] = []
    copied, acopied = copying.copied, copying.acopied

    def count(done: bool, nodes: Any) -> bool:
        counted.append(len(nodes) if done else 0)
        return done

    async def awaited(store: Any, nodes: Any) -> bool:
        return count(await acopied(store, nodes), nodes)

    monkeypatch.setattr(
        "ayo_llamaindex.stores.copied", lambda store, nodes: count(copied(store, nodes), nodes)
    )
    monkeypatch.setattr("ayo_llamaindex.stores.acopied", awaited)
    return counted


def _nodes(count: int = COUNT) -> list[TextNode]:
    made = make_nodes(count)
    chance = random.Random(1)
    for node in made:
        node.embedding = [chance.uniform(-2, 2) for _ in range(8)]
        node.metadata |= {"quoted": 'a "b" \\ c', "none": None, "nested": {"é": [1.5, True]}}
    return made


def _add(store: Any, nodes: list[TextNode], runtime: Runtime, awaited: bool) -> list[str]:
    async def add() -> list[str]:
        try:
            return list(await store.async_add(nodes))
        finally:
            await store._async_engine.dispose()

    scope = _scope(runtime)
    with entered(scope):
        ids = asyncio.run(add()) if awaited else store.add(nodes)
    scope.close()
    return list(ids)


def _scope(runtime: Runtime) -> Scope:
    from ayo_bridge.graph import Graph, Template

    return open_scope(runtime, Plan(Template(()), Graph(()), Graph(())))


@pytest.mark.real
@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("options", [{}, {"use_jsonb": True, "hybrid_search": True}])
def test_copied_rows_are_those_of_add(
    postgres: "EmbeddedPostgres",
    runtime: Runtime,
    copies: list[int],
    awaited: bool,
    options: dict[str, Any],
) -> None:
    plain, fast = (make_postgres_store(postgres, **options) for _ in range(2))
    plain.add(_nodes())
    ids = _add(fast, _nodes(), runtime, awaited)
    assert copies == [COUNT]
    assert ids == [node.node_id for node in _nodes()]
    assert rows(fast) == rows(plain)
    assert _numbers(fast) == _numbers(plain) == list(range(1, COUNT + 1))
    for store in (plain, fast):
        asyncio.run(store.close())


def _numbers(store: Any) -> list[int]:
    from sqlalchemy import text

    with store._engine.connect() as connection:
        found = connection.execute(text(f"SELECT id FROM data_{store.table_name} ORDER BY id"))
        return [number for (number,) in found]


@pytest.mark.real
@pytest.mark.parametrize("awaited", [False, True])
def test_what_postgres_refuses_is_refused_as_by_add_and_leaves_nothing(
    postgres: "EmbeddedPostgres", runtime: Runtime, copies: list[int], awaited: bool
) -> None:
    store = make_postgres_store(postgres)
    nodes = _nodes()
    nodes[-1].embedding = [1.0]
    with pytest.raises(Exception) as plain:  # noqa: PT011
        store.add(nodes)
    with pytest.raises(Exception) as fast:  # noqa: PT011
        _add(store, nodes, runtime, awaited)
    assert awaited or (type(plain.value), plain.value.args) == (type(fast.value), fast.value.args)
    assert copies == [0]
    assert rows(store) == []
    asyncio.run(store.close())


@pytest.mark.real
def test_nothing_is_copied_where_somebody_listens_or_rows_are_few(
    postgres: "EmbeddedPostgres", runtime: Runtime, copies: list[int]
) -> None:
    store, heard = make_postgres_store(postgres), []
    _add(store, _nodes(3), runtime, False)
    event.listen(store._table_class, "after_insert", lambda *args: heard.append(args))
    _add(store, _nodes(), runtime, False)
    assert copies == [0, 0]
    assert len(heard) == COUNT
    assert len(rows(store)) == COUNT + 3
    asyncio.run(store.close())


@pytest.mark.real
def test_every_call_of_a_pipeline_that_only_writes_copies(
    postgres: "EmbeddedPostgres", runtime: Runtime, copies: list[int]
) -> None:
    store = make_postgres_store(postgres)
    pipeline = accelerate(
        IngestionPipeline(transformations=[], vector_store=store, disable_cache=True),
        runtime=runtime,
    )
    for _ in range(3):
        pipeline.run(nodes=_nodes())
    assert copies == [COUNT] * 3
    assert "rows were copied" in str(explain(pipeline).verdict)
    asyncio.run(store.close())


def test_reals_are_rounded_as_postgres_rounds_their_decimals() -> None:
    chance = random.Random(2)
    values = [chance.uniform(-1, 1) for _ in range(1000)] + [0.0, 1.0, -2.5, 1e-30]
    packed = binary.vector(values)
    assert struct.unpack(f">hh{len(values)}f", packed)[2:] == struct.unpack(
        f">{len(values)}f", struct.pack(f">{len(values)}f", *values)
    )


@pytest.mark.parametrize("module", ["numpy", "numpy is not there"])
def test_a_number_between_two_reals_is_left_to_postgres(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    importlib.import_module("numpy")
    if module != "numpy":
        monkeypatch.delitem(sys.modules, "numpy")
    assert len(binary.vector([0.1, -0.7, 0.0])) == 16
    between = (1.0 + struct.unpack(">f", b"\x3f\x80\x00\x01")[0]) / 2
    for values in ([between], [1e-42], [2.0**-300], [1e39], [math.nan]):
        with pytest.raises((ValueError, OverflowError)):
            binary.vector(values)

"""How fast the two schedulers are, and what a query costs them: ``python -m benchmarks.scheduler``.

Queries have the shape of the paper's advanced app; 1,000 of them are under way at any time. Engines
take no time of this process, so that what is measured is the schedulers alone: both tiers, the
policy, futures and callbacks. Seconds are those of this process's CPU.

The last part runs native queries on simulated engines, on the virtual clock, and counts what stays
allocated.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ayo_bridge.graph import Graph, Op, Primitive, decompose
from ayo_bridge.graph.primitive import DECODES
from ayo_bridge.passes import optimise
from ayo_bridge.schedule import POLICIES, EngineScheduler
from ayo_bridge.schedule.request import Abortable, Done
from ayo_bridge.seam import Call, EngineKind, Limits
from ayo_bridge.simulate import run_virtual
from benchmarks.advanced_app import INPUTS, advanced, context, inputs, simulated
from benchmarks.measure import write
from benchmarks.tiers import Query, Shape

CONCURRENT = 1000
DISPATCHED, BYTES, GROWTH = 30_000, 50_000, 0.02
"""At least so many primitives a second; at most so many bytes for each query under way; at most
such a share more blocks of memory at the end of a long run than when a fifth of it had run."""

LIMITS = {
    "llm": Limits(instances=2, max_items=60_000, continuous=True),
    "embedding": Limits(max_items=8),
    "store": Limits(max_items=8),
    "reranker": Limits(max_items=8),
}


class Engine:
    """Takes calls; somebody else says when they end."""

    kind = EngineKind.EMBEDDING

    def __init__(self, name: str) -> None:
        self.name, self.limits = name, LIMITS[name]


class Ends:
    """A placement whose batches end in the order in which they started, when they are told to."""

    def __init__(self) -> None:
        self._running: deque[tuple[int, Done]] = deque()

    def start(
        self, engine: object, calls: Sequence[Call], done: Done, abortable: Abortable
    ) -> None:
        abortable(lambda: None)
        self._running.append((len(calls), done))

    def end_next(self) -> None:
        count, done = self._running.popleft()
        done([None] * count)


class Load:
    """Queries that run through both tiers, :data:`CONCURRENT` at a time."""

    def __init__(self, policy: str, graph: Graph, queries: int) -> None:
        self.now = 0.0
        self.placement = Ends()
        self.tiers = {
            name: EngineScheduler(Engine(name), POLICIES[policy], self.placement, self.clock)  # type: ignore[arg-type]
            for name in LIMITS
        }
        self.shape = Shape(graph, CONTEXT.profiles.seconds, RESULT)
        self.calls = {
            primitive.id: Call(
                primitive.engine,
                primitive.id,
                None,
                items=primitive.prompt_tokens + 128 if primitive.prompt else primitive.items,
                group=None if primitive.prompt else primitive.op.value,
                warm=primitive.op is Op.PARTIAL_PREFILLING,
            )
            for primitive in graph
            if primitive.engine and primitive.op not in DECODES
        }
        self.to_come = queries
        self.answered = 0

    def clock(self) -> float:
        return self.now

    def start(self) -> None:
        """Submit as many queries as may run at once."""
        for _ in range(min(CONCURRENT, self.to_come)):
            self.next_query()

    def run(self) -> None:
        """Run to the end."""
        while any(tier.running or tier.depth for tier in self.tiers.values()):
            self.placement.end_next()

    def next_query(self) -> None:
        if self.to_come:
            self.to_come -= 1
            self.now += 0.01
            query = Query(self.shape, self.to_come, self.tiers, self.call, self.ended, self.now)
            query.start()

    def call(self, query: Query, primitive: Primitive) -> Call:
        return self.calls[primitive.id]

    def ended(self, query: Query) -> None:
        self.answered += 1
        self.next_query()


CONTEXT = context(best_batch=8)
RESULT = "answer.answer"


def e_graph() -> Graph:
    """The e-graph of the advanced app: 20 chunks, three expansions, a chain of three calls."""
    template = advanced().template(INPUTS)
    return optimise(decompose(template), CONTEXT).graph


def dispatched(policy: str, queries: int) -> float:
    """Primitives dispatched for each second of CPU time."""
    load = Load(policy, e_graph(), queries)
    gc.collect()
    started = time.process_time()
    load.start()
    load.run()
    seconds = time.process_time() - started
    assert load.answered == queries
    return load.shape.dispatched / seconds


def bytes_of_tiers() -> float:
    """Bytes that a query holds in the two tiers when a third of it has run."""
    graph = e_graph()
    load = Load("critical_path", graph, CONCURRENT)
    graph.depth("answer.decode[2]")  # What the graph works out once is no query's.
    gc.collect()
    tracemalloc.start()
    load.start()
    while load.shape.dispatched < CONCURRENT * len(graph) // 3:
        load.placement.end_next()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / CONCURRENT


async def _bytes_of_queries() -> float:
    app = simulated("critical_path")
    workflow = advanced()
    await app.submit(inputs(0), workflow)
    gc.collect()
    tracemalloc.start()
    given = [inputs(i) for i in range(CONCURRENT)]
    data, _ = tracemalloc.get_traced_memory()
    queries = [asyncio.ensure_future(app.submit(each, workflow)) for each in given]
    while sum(query.done() for query in queries) < CONCURRENT // 100:
        await asyncio.sleep(1.0)
    left = CONCURRENT - sum(query.done() for query in queries)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await asyncio.gather(*queries)
    return (held - data) / left


async def _long_run(queries: int, rate: float) -> list[tuple[int, int]]:
    """Queries ended, and blocks allocated after a collection of garbage, at every tenth."""
    app = simulated("critical_path")
    workflow, chance = advanced(calls=1, answer_tokens=16), random.Random(1)
    seen: list[tuple[int, int]] = []
    ended = 0
    running: set[asyncio.Task[None]] = set()

    async def one(number: int) -> None:
        nonlocal ended
        await app.submit(inputs(number), workflow)
        ended += 1

    for number in range(queries):
        await asyncio.sleep(chance.expovariate(rate))
        task = asyncio.ensure_future(one(number))
        running.add(task)
        task.add_done_callback(running.discard)
        if number % (queries // 10) == queries // 10 - 1:
            await asyncio.wait(running)
            gc.collect()
            seen.append((ended, sys.getallocatedblocks()))
    return seen


def main(
    json_file: Annotated[Path | None, typer.Option("--json", help="File for figures.")] = None,
    rounds: Annotated[int, typer.Option(help="Rounds of each policy.")] = 5,
    queries: Annotated[int, typer.Option(help="Queries of a round.")] = 2000,
    long: Annotated[int, typer.Option(help="Queries of the long simulation.")] = 100_000,
) -> None:
    """Measure; 1 if a target is missed."""
    console, figures = Console(), dict[str, dict[str, object]]()

    def note(name: str, value: float, target: float, met: bool, unit: str) -> None:
        figures[name] = {"value": value, "target": target, "unit": unit, "met": met}

    for policy in POLICIES:
        speed = statistics.median(dispatched(policy, queries) for _ in range(rounds))
        note(f"dispatched by {policy}", round(speed), DISPATCHED, speed >= DISPATCHED, "/s")
    held = {"two tiers": bytes_of_tiers(), "whole query": run_virtual(_bytes_of_queries())}
    for name, size in held.items():
        note(f"held by a query, {name}", round(size), BYTES, size <= BYTES, "bytes")
    started = time.process_time()
    blocks = run_virtual(_long_run(long, 4.0))
    seconds = time.process_time() - started
    growth = blocks[-1][1] / blocks[1][1] - 1
    note("growth of a long run", round(growth, 4), GROWTH, growth <= GROWTH, "")
    figures["growth of a long run"] |= {
        "queries": long,
        "queries_a_second": round(long / seconds),
        "blocks_by_queries": blocks,
    }
    table = Table(box=None)
    table.add_column("figure")
    for heading in ("value", "target", "met"):
        table.add_column(heading, justify="right")
    for name, row in figures.items():
        table.add_row(
            name,
            f"{row['value']:,} {row['unit']}",
            f"{row['target']:,} {row['unit']}",
            "[green]yes[/]" if row["met"] else "[red]NO[/]",
        )
    console.print(table)
    write(json_file, figures)
    raise typer.Exit(int(not all(row["met"] for row in figures.values())))


if __name__ == "__main__":
    typer.run(main)

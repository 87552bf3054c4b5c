"""The frameworks' own fan-outs, as they are installed: the same sites and branches in every run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda, RunnableParallel
from llama_index.core.async_utils import run_async_tasks, run_jobs
from workflows import Context, Workflow, step
from workflows.events import Event, StartEvent, StopEvent

from tests.learn.following import Boundary, called, repeatedly

NAMES = tuple("abcdefgh")


def chain(boundary: Boundary) -> RunnableLambda[str, str]:
    return RunnableLambda(boundary.ask, afunc=boundary.aask)


def two_steps(boundary: Boundary) -> Any:
    return chain(boundary) | RunnableLambda(lambda answer: answer * 2) | chain(boundary)


def named(boundary: Boundary, name: str) -> Any:
    def ask(x: str) -> str:
        return boundary.ask(x + name)

    return RunnableLambda(ask)


def parallel(boundary: Boundary) -> Any:
    return RunnableParallel({name: named(boundary, name) for name in "abc"})


def last(branches: dict[str, list[tuple[int, ...]]], *requests: str) -> list[int]:
    return [branches[request][0][-1] for request in requests]


def test_langchain_parallel() -> None:
    boundary = repeatedly(lambda boundary: parallel(boundary).invoke("x"))
    assert boundary.branches() == {"xa": [(0,)], "xb": [(1,)], "xc": [(2,)]}


def test_langchain_parallel_awaited() -> None:
    def program(boundary: Boundary) -> None:
        steps = RunnableParallel({name: named(boundary, name) | chain(boundary) for name in "abc"})
        asyncio.run(RunnableLambda(lambda x: x).pipe(steps).ainvoke("x"))

    found = repeatedly(program).branches()
    assert [sorted(found)[:3], len(found)] == [["<xa>", "<xb>", "<xc>"], 6]
    assert [found[f"x{name}"][0][:3] for name in "abc"] == [(0, 0, number) for number in range(3)]


def test_langchain_batch() -> None:
    boundary = repeatedly(lambda boundary: two_steps(boundary).batch([*NAMES]))
    assert [boundary.branches()[name] for name in NAMES] == [[(n,)] for n in range(len(NAMES))]
    assert len(boundary.sites(*NAMES)) == 1
    assert len(boundary.seen) == 2 * len(NAMES)


def test_langchain_batch_of_parallels_of_32() -> None:
    requests = [str(number) for number in range(32)]
    boundary = repeatedly(
        lambda boundary: parallel(boundary).batch(requests, {"max_concurrency": 8}), 8
    )
    for number in range(32):
        for at, name in enumerate("abc"):
            (branch,) = boundary.branches()[f"{number}{name}"]
            assert branch == (number, at)


def test_langchain_abatch() -> None:
    boundary = repeatedly(lambda boundary: asyncio.run(two_steps(boundary).abatch([*NAMES])))
    # Of asyncio.run, of gather, and of the step, which is a task of its own.
    assert [boundary.branches()[name] for name in NAMES] == [
        [(0, number, 0)] for number in range(len(NAMES))
    ]


def test_langchain_abatch_with_little_concurrency() -> None:
    config: Any = {"max_concurrency": 2}
    boundary = repeatedly(
        lambda boundary: asyncio.run(two_steps(boundary).abatch([*NAMES], config))
    )
    assert [boundary.branches()[name][0][1] for name in NAMES] == [*range(len(NAMES))]


def test_langchain_abatch_as_completed() -> None:
    async def main(boundary: Boundary) -> None:
        async for _ in two_steps(boundary).abatch_as_completed([*NAMES]):
            pass

    boundary = repeatedly(lambda boundary: asyncio.run(main(boundary)))
    assert [boundary.branches()[name][0][1] for name in NAMES] == [*range(len(NAMES))]


def test_langchain_sync_steps_under_an_async_chain() -> None:
    def program(boundary: Boundary) -> None:
        steps = RunnableLambda(boundary.ask) | RunnableLambda(boundary.ask)
        asyncio.run(steps.abatch([*NAMES]))

    found = repeatedly(program).branches()
    assert [found[name][0][1] for name in NAMES] == [*range(len(NAMES))]


@pytest.mark.parametrize("nested", [False, True])
def test_llama_index_run_async_tasks(nested: bool) -> None:
    def program(boundary: Boundary) -> None:
        run_async_tasks([boundary.aask(name) for name in NAMES])

    async def in_a_loop(boundary: Boundary) -> None:
        program(boundary)  # It goes to a loop in a pool's thread then.

    def run(boundary: Boundary) -> None:
        if nested:
            asyncio.run(in_a_loop(boundary))
        else:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            program(boundary)
            asyncio.set_event_loop(None)
            loop.close()

    boundary = repeatedly(run)
    depth = (0, 0, 0) if nested else (0,)
    assert [boundary.branches()[name] for name in NAMES] == [
        [(*depth, number)] for number in range(len(NAMES))
    ]
    assert len(boundary.sites(*NAMES)) == 1


def test_llama_index_run_jobs() -> None:
    boundary = repeatedly(
        lambda boundary: asyncio.run(run_jobs([boundary.aask(name) for name in NAMES], workers=3))
    )
    assert last(boundary.branches(), *NAMES) == [*range(len(NAMES))]


class Part(Event):
    name: str


class Done(Event):
    answer: str


class FanOut(Workflow):
    """Asks for all parts at once, then for what they give together."""

    def __init__(self, boundary: Boundary) -> None:
        super().__init__(timeout=20)
        self.boundary = boundary

    @step
    async def split(self, ctx: Context, ev: StartEvent) -> Part | None:
        for name in NAMES:
            ctx.send_event(Part(name=name))
        return None

    @step(num_workers=3)
    async def ask(self, ev: Part) -> Done:
        return Done(answer=await self.boundary.aask(ev.name))

    @step
    async def join(self, ctx: Context, ev: Done) -> StopEvent | None:
        answers = ctx.collect_events(ev, [Done] * len(NAMES))
        if answers is None:
            return None
        return StopEvent(result=await self.boundary.aask("all"))


async def _run(boundary: Boundary) -> None:
    await FanOut(boundary).run()


def test_llama_index_workflow() -> None:
    """Its engine makes the tasks of all steps in one place, each when something has ended.

    So the numbers are not the same in each run, but the events' order is.
    """
    boundaries = [Boundary(seed) for seed in range(20)]
    for boundary in boundaries:
        called(lambda boundary=boundary: asyncio.run(_run(boundary)))  # type: ignore[misc]
        branches = boundary.branches()
        assert sorted(NAMES, key=branches.__getitem__) == [*NAMES]
        assert len({*map(str, branches.values())}) == len(NAMES) + 1
        assert boundary.sites(*NAMES) == boundaries[0].sites(*NAMES)
        assert boundary.sites("all") == boundaries[0].sites("all")


class Linear(Workflow):
    """One step after the other."""

    def __init__(self, boundary: Boundary) -> None:
        super().__init__(timeout=20)
        self.boundary = boundary

    @step
    async def first(self, ev: StartEvent) -> Part:
        return Part(name=await self.boundary.aask("first"))

    @step
    async def second(self, ev: Part) -> Done:
        return Done(answer=await self.boundary.aask(ev.name))

    @step
    async def third(self, ev: Done) -> StopEvent:
        return StopEvent(result=await self.boundary.aask(ev.answer))


def test_llama_index_workflow_of_one_step_after_the_other() -> None:
    async def run(boundary: Boundary) -> None:
        await Linear(boundary).run()

    found = repeatedly(lambda boundary: asyncio.run(run(boundary))).branches()
    assert last(found, "first", "<first>", "<<first>>") == [0, 1, 2]

"""Each task, pool job and thread of a call is known by where and in which order it was made."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from ayo_bridge.learn.tracing.places import current_place
from tests.learn.following import Boundary, awaited, called, repeatedly

Program = Callable[[Boundary], object]
NAMES = tuple("abcde")
NUMBERED = {name: [(0, number)] for number, name in enumerate(NAMES)}
"""Under ``asyncio.run``, whose own task is a child as well."""


def of_asyncio(main: Callable[[Boundary], Any]) -> Program:
    return lambda boundary: asyncio.run(main(boundary))


def test_outside_of_a_spawn_the_branch_is_empty() -> None:
    boundary = repeatedly(lambda boundary: [boundary.ask(name) for name in NAMES], 2)
    assert set(map(tuple, boundary.branches().values())) == {((),)}
    assert len(boundary.sites(*NAMES)) == 1


@of_asyncio
async def gathered(boundary: Boundary) -> None:
    await asyncio.gather(*[boundary.aask(name) for name in NAMES])


@of_asyncio
async def created(boundary: Boundary) -> None:
    tasks = [asyncio.create_task(boundary.aask(name)) for name in NAMES]
    for task in tasks:
        await task


@of_asyncio
async def ensured(boundary: Boundary) -> None:
    await asyncio.wait([asyncio.ensure_future(boundary.aask(name)) for name in NAMES])


@of_asyncio
async def grouped(boundary: Boundary) -> None:
    async with asyncio.TaskGroup() as group:
        for name in NAMES:
            group.create_task(boundary.aask(name))


@of_asyncio
async def as_completed(boundary: Boundary) -> None:
    for first in asyncio.as_completed([boundary.aask(name) for name in NAMES]):
        await first


@of_asyncio
async def to_thread(boundary: Boundary) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(*[loop.run_in_executor(None, boundary.ask, name) for name in NAMES])


def pooled(boundary: Boundary) -> None:
    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(boundary.ask, name) for name in NAMES]:
            future.result()


def mapped(boundary: Boundary) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(boundary.ask, NAMES))


def in_copied_contexts(boundary: Boundary) -> None:
    contexts = [contextvars.copy_context() for _ in NAMES]
    with ThreadPoolExecutor(3) as pool:
        for future in [
            pool.submit(contexts.pop().run, partial(boundary.ask), name) for name in NAMES
        ]:
            future.result()


def threaded(boundary: Boundary) -> None:
    threads = [threading.Thread(target=boundary.ask, args=(name,)) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("program", [gathered, created, ensured, grouped, as_completed, to_thread])
def test_tasks_are_numbered_in_the_order_in_which_they_are_made(program: Program) -> None:
    boundary = repeatedly(program)
    assert boundary.branches() == NUMBERED
    assert len(boundary.sites(*NAMES)) == 1


@pytest.mark.parametrize("program", [pooled, mapped, in_copied_contexts, threaded])
def test_jobs_and_threads_are_numbered_in_the_order_in_which_they_are_made(
    program: Program,
) -> None:
    boundary = repeatedly(program)
    assert boundary.branches() == {name: [(n,)] for n, name in enumerate(NAMES)}
    assert len(boundary.sites(*NAMES)) == 1


def test_as_completed_numbers_by_what_it_was_given_and_goes_on_behind() -> None:
    @of_asyncio
    async def program(boundary: Boundary) -> None:
        for names in ("abc", "de"):
            for first in asyncio.as_completed({boundary.aask(name): None for name in names}):
                await first
        for name in "fg":
            await asyncio.create_task(boundary.aask(name))

    found = repeatedly(program).branches()
    assert [found[name] for name in "abcdefg"] == [
        [(0, number)] for number in (0, 1, 2, 3, 4, 0, 1)
    ]


def test_as_completed_refuses_what_it_refuses() -> None:
    @of_asyncio
    async def program(boundary: Boundary) -> None:
        with pytest.raises(TypeError, match="expect"):
            next(iter(asyncio.as_completed(asyncio.get_running_loop().create_future())))
        assert list(asyncio.as_completed([])) == []

    called(lambda: program(Boundary()))


def test_children_made_at_another_site_are_counted_apart() -> None:
    @of_asyncio
    async def program(boundary: Boundary) -> None:
        for name in "ab":
            await asyncio.create_task(boundary.aask(name))
            await asyncio.create_task(boundary.aask(name.upper()))

    boundary = repeatedly(program, 3)
    assert boundary.branches() == {"A": [(0, 0)], "B": [(0, 1)], "a": [(0, 0)], "b": [(0, 1)]}
    assert boundary.sites("a", "b").isdisjoint(boundary.sites("A", "B"))


def test_gathers_in_pool_jobs_in_tasks_are_numbered_level_by_level() -> None:
    async def leaf(boundary: Boundary, name: str) -> None:
        await boundary.aask(f"{name}.before")
        await asyncio.to_thread(boundary.ask, f"{name}.thread")

    async def inner(boundary: Boundary, name: str) -> None:
        await asyncio.gather(*[leaf(boundary, f"{name}.{n}") for n in range(2)])

    def job(boundary: Boundary, name: str) -> None:
        boundary.ask(name)
        asyncio.run(inner(boundary, name))
        boundary.ask(name)

    @of_asyncio
    async def program(boundary: Boundary) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(3) as pool:
            context = contextvars.copy_context
            runs = [partial(context().run, job, boundary, name) for name in "xyz"]
            await asyncio.gather(*[loop.run_in_executor(pool, run) for run in runs])

    found = repeatedly(program, 8).branches()
    assert found["y"] == [(0, 1), (0, 1)]
    assert found["y.1.before"] == [(0, 1, 0, 1)]
    assert found["z.0.thread"] == [(0, 2, 0, 0, 0)]
    assert len(found) == 3 + 6 * 2


def test_a_loop_of_32_jobs_is_one_site_with_32_branches() -> None:
    def program(boundary: Boundary) -> None:
        with ThreadPoolExecutor(8) as pool:
            futures: list[Future[str]] = []
            for number in range(32):
                futures.append(pool.submit(lambda n=number: boundary.ask(n)))  # type: ignore[misc]
            assert [future.result() for future in futures] == [f"<{n}>" for n in range(32)]

    boundary = repeatedly(program)
    assert boundary.branches() == dict(sorted((str(n), [(n,)]) for n in range(32)))
    assert len(boundary.sites(*range(32))) == 1


def test_failures_and_cancellations_leave_the_others_numbers_alone() -> None:
    async def work(boundary: Boundary, name: str) -> None:
        if name in "be":
            try:
                boundary.note(name)
                await asyncio.Event().wait()
            finally:
                boundary.note(name)
        await boundary.aask(name)
        if name in "ad":
            raise ValueError(name)

    @of_asyncio
    async def program(boundary: Boundary) -> None:
        made = [asyncio.create_task(work(boundary, name)) for name in "abcdef"]
        await asyncio.sleep(0)
        made[1].cancel()
        await made[5]
        made[4].cancel()
        await asyncio.gather(*made, return_exceptions=True)

    found = repeatedly(program, 8).branches()
    assert found == {
        name: [(0, number)] * (2 if name in "be" else 1) for number, name in enumerate("abcdef")
    }


def test_tasks_of_two_functions_made_in_one_place_are_counted_apart() -> None:
    async def one(boundary: Boundary, name: str) -> None:
        await boundary.aask(name)

    async def other(boundary: Boundary, name: str) -> None:
        await boundary.aask(name)

    @of_asyncio
    async def program(boundary: Boundary) -> None:
        work = [
            function(boundary, name)
            for function, name in zip([one, other] * 2, "abcd", strict=True)
        ]
        await asyncio.gather(*[asyncio.create_task(coroutine) for coroutine in work])

    boundary = repeatedly(program, 3)
    assert boundary.branches() == {"a": [(0, 0)], "b": [(0, 0)], "c": [(0, 1)], "d": [(0, 1)]}
    assert boundary.sites("a", "c").isdisjoint(boundary.sites("b", "d"))


def test_an_exception_of_a_job_is_that_of_the_original() -> None:
    def program(boundary: Boundary) -> None:
        with ThreadPoolExecutor(2) as pool:
            assert isinstance(pool.submit(int, "x").exception(), ValueError)
            assert pool.submit(dict, self=1, fn=2).result() == {"self": 1, "fn": 2}
            assert pool.submit(boundary.ask, "after").result() == "<after>"

    assert repeatedly(program, 3).branches() == {"after": [(0,)]}


def test_a_generator_s_call_is_of_the_branch_that_asks_for_the_item() -> None:
    def items(boundary: Boundary) -> Iterator[str]:
        for name in "abc":
            yield boundary.ask(name)

    def program(boundary: Boundary) -> None:
        made = items(boundary)
        next(made)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(next, made).result()
            pool.submit(next, made).result()

    assert repeatedly(program, 3).branches() == {"a": [()], "b": [(0,)], "c": [(0,)]}


def test_an_async_generator_s_call_is_of_the_branch_that_asks_for_the_item() -> None:
    async def items(boundary: Boundary) -> AsyncIterator[str]:
        for name in "abc":
            yield await boundary.aask(name)

    async def following(made: AsyncIterator[str]) -> str:
        return await anext(made)

    @of_asyncio
    async def program(boundary: Boundary) -> None:
        made = items(boundary)
        await anext(made)
        for _ in range(2):
            await asyncio.create_task(following(made))

    assert repeatedly(program, 3).branches() == {"a": [(0,)], "b": [(0, 0)], "c": [(0, 1)]}


def test_tasks_that_share_one_context_are_told_apart() -> None:
    @of_asyncio
    async def program(boundary: Boundary) -> None:
        shared = contextvars.copy_context()
        await asyncio.gather(
            *[asyncio.create_task(boundary.aask(name), context=shared) for name in NAMES]
        )

    assert repeatedly(program, 5).branches() == NUMBERED


def test_a_callback_of_the_loop_is_of_the_branch_that_made_it() -> None:
    async def later(boundary: Boundary, name: str) -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.call_soon(lambda: done.set_result(boundary.note(name)))
        await done

    @of_asyncio
    async def program(boundary: Boundary) -> None:
        await asyncio.gather(*[later(boundary, name) for name in NAMES])

    assert repeatedly(program, 3).branches() == NUMBERED


async def test_an_entry_that_is_awaited_makes_its_tasks_like_any_other() -> None:
    boundaries = [Boundary(seed) for seed in range(5)]

    async def program(boundary: Boundary) -> None:
        await boundary.aask("own")
        await asyncio.gather(*[boundary.aask(name) for name in NAMES])

    await asyncio.gather(*[awaited(partial(program, boundary)) for boundary in boundaries])
    assert boundaries[0].branches() == {
        **{name: [(number,)] for number, name in enumerate(NAMES)},
        "own": [()],
    }
    assert all(boundary.seen == boundaries[0].seen for boundary in boundaries)
    assert current_place() is None

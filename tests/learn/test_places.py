"""Followed calls in one another, and what takes part in them."""

from __future__ import annotations

import asyncio
import contextvars
import re
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvloop

from ayo_bridge.learn.tracing.branches import follow
from ayo_bridge.learn.tracing.places import CallPlace, current_place, within
from ayo_bridge.learn.tracing.sites import Site
from ayo_bridge.seam import current_scope, entered
from tests.learn.following import Boundary, called, repeatedly

# Calls in one another.


def _entry(run: Callable[[CallPlace], Any]) -> Any:
    place = follow(sys._getframe())
    with within(place):
        result = run(place)
    place.close()
    return result


def _both(inner: CallPlace, outer: CallPlace) -> list[tuple[Site, tuple[int, ...]]]:
    return [(place.here().site(), place.here().branch) for place in (inner, outer)]


def _functions(site: Site) -> list[str]:
    return [re.split("[.:]", frame.partition(",")[0])[-1] for frame in site.frames]


def test_an_inner_entry_cuts_its_own_stack_and_the_outer_one_sees_through_it() -> None:
    (inner, _), (outer, _) = _entry(lambda outer: _entry(lambda inner: _both(inner, outer)))
    assert _functions(inner).count("_entry") == 1
    assert _functions(outer).count("_entry") == 2


def test_both_calls_number_what_is_made_in_the_inner_one() -> None:
    def many(outer: CallPlace) -> list[Any]:
        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(_entry, lambda inner: jobs(inner, outer)) for _ in range(2)]
            return [future.result() for future in futures]

    def jobs(inner: CallPlace, outer: CallPlace) -> list[tuple[int, ...]]:
        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(_both, inner, outer) for _ in range(3)]
            return [branch for future in futures for _, branch in future.result()]

    inside = [(0,), (1,), (2,)]
    assert _entry(many) == [
        [branch for at in range(3) for branch in (inside[at], (job, at))] for job in range(2)
    ]


async def test_a_call_opened_in_a_task_is_the_innermost_there_and_nowhere_else() -> None:
    async def task(outer: CallPlace) -> tuple[bool, bool]:
        place = follow(sys._getframe())
        with within(place):
            await asyncio.sleep(0)
            inside = current_place() is place
        place.close()
        after = current_place()
        return inside, after is not None and after.here() is outer.here()

    place = follow(sys._getframe())
    with within(place):
        made = [asyncio.create_task(task(place)) for _ in range(2)]
        assert current_place() is place
        assert await asyncio.gather(*made) == [(True, True)] * 2
    place.close()


# Who runs.


def test_a_task_whose_first_step_runs_at_once_has_its_place_from_then_on() -> None:
    """As under the eager task factory of Python 3.12."""

    def eager(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **kwargs: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(_stepped(coroutine), loop=loop, **kwargs)
        maker = asyncio.current_task()
        if maker is not None:
            asyncio.tasks._leave_task(loop, maker)
        asyncio.tasks._enter_task(loop, task)
        try:
            context = kwargs.get("context") or contextvars.copy_context()
            context.run(coroutine.send, None)
        finally:
            asyncio.tasks._leave_task(loop, task)
            if maker is not None:
                asyncio.tasks._enter_task(loop, maker)
        return task

    async def _stepped(coroutine: Coroutine[Any, Any, Any]) -> None:
        await asyncio.sleep(0)
        with pytest.raises(StopIteration):
            coroutine.send(None)

    makers: list[int] = []

    async def child(boundary: Boundary, name: str) -> None:
        boundary.note(name)
        place = current_place()
        assert place is not None
        makers.append(_functions(place.site()).count("main"))
        await asyncio.sleep(0)
        boundary.note(name)

    async def main(boundary: Boundary) -> None:
        loop: Any = asyncio.get_running_loop()
        loop.set_task_factory(eager)
        shared = contextvars.copy_context()
        made = [asyncio.create_task(child(boundary, name)) for name in "ab"]
        made += [asyncio.create_task(child(boundary, name), context=shared) for name in "cd"]
        await asyncio.gather(*made)
        loop.set_task_factory(None)

    boundary = repeatedly(lambda boundary: asyncio.run(main(boundary)), 2)
    assert {name: {*found} for name, found in boundary.branches().items()} == {
        "a": {(0, 0)},
        "b": {(0, 1)},
        "c": {(0, 0)},
        "d": {(0, 1)},
    }
    assert makers == [1] * 8  # Of the site where it was made; not of its own stack as well.
    first, later = (site for site, _ in boundary.seen["a"])
    assert first != later  # They are two calls.
    assert boundary.seen["a"][0][0] == boundary.seen["b"][0][0]


def test_the_tasks_of_uvloop_are_numbered_too() -> None:
    async def main(boundary: Boundary) -> None:
        await asyncio.gather(*[boundary.aask(name) for name in "abc"])

    def program(boundary: Boundary) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main(boundary))

    boundary = repeatedly(program, 5)
    assert boundary.branches() == {"a": [(0, 0)], "b": [(0, 1)], "c": [(0, 2)]}
    assert len(boundary.sites("a", "b", "c")) == 1


def test_a_task_s_site_is_the_same_wherever_its_loop_runs() -> None:
    async def leaf(boundary: Boundary) -> None:
        await boundary.aask("x")

    async def main(boundary: Boundary) -> None:
        await asyncio.gather(leaf(boundary), asyncio.sleep(0))

    def deeper(boundary: Boundary, depth: int) -> None:
        if depth:
            deeper(boundary, depth - 1)
        else:
            loop.run_until_complete(task)

    found = []
    for depth in range(3):
        boundary = Boundary()
        place = follow(sys._getframe())
        loop = asyncio.new_event_loop()
        with within(place):
            task = loop.create_task(main(boundary))
            deeper(boundary, depth)
        place.close()
        loop.close()
        found.append(boundary.seen["x"])
    assert found[0] == found[1] == found[2]


class _Scope:
    closed = False


def test_raw_pool_jobs_and_threads_take_the_scope_along_and_lose_it_behind() -> None:
    scope: Any = _Scope()
    seen: list[object] = []
    with ThreadPoolExecutor(1) as pool:

        def program() -> None:
            with entered(scope):
                seen.append(pool.submit(current_scope).result())
                thread = threading.Thread(target=lambda: seen.append(current_scope()))
                thread.start()
                thread.join()

        called(program)
        seen.append(pool.submit(current_scope).result())
        seen.append(pool.submit(current_place).result())
    assert seen == [scope, scope, None, None]


def test_a_thread_that_cannot_start_is_as_it_was() -> None:
    class Of(threading.Thread):
        def run(self) -> None:
            ran.append(current_place() is not None)

    ran: list[bool] = []

    def program() -> None:
        thread = Of()
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
        assert "run" not in vars(thread)

    called(program)
    assert ran == [True]


def test_a_pool_s_own_threads_belong_to_no_call() -> None:
    with ThreadPoolExecutor(1) as pool:
        called(lambda: pool.submit(int).result())
        (worker,) = pool._threads
        assert "run" not in vars(worker)
        assert (
            pool.submit(lambda: (current_place(), contextvars.copy_context())).result()[0] is None
        )

"""The wrappers go on and off again, and nothing keeps a call alive that has ended."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import contextlib
import contextvars
import gc
import sys
import threading
import weakref
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvloop

from ayo_bridge.learn.tracing.branches import follow, hold, release
from ayo_bridge.learn.tracing.places import CallPlace, current_place, tasks, within
from tests.learn.following import Boundary, called, repeatedly

WRAPPED = (
    (asyncio.BaseEventLoop, "create_task"),
    (uvloop.Loop, "create_task"),
    (asyncio, "as_completed"),
    (asyncio.tasks, "as_completed"),
    (concurrent.futures.thread.ThreadPoolExecutor, "submit"),
    (threading.Thread, "start"),
)


def originals() -> list[object]:
    return [vars(owner).get(name) for owner, name in WRAPPED]


@pytest.fixture(autouse=True)
def _all_taken_off() -> Iterator[None]:
    before = originals()
    yield
    gc.collect()
    assert originals() == before


def test_the_wrappers_are_there_while_somebody_holds_them() -> None:
    before = originals()
    hold()
    held = originals()
    hold()
    place = follow(None)
    assert originals() == held
    assert all(new is not old for new, old in zip(held, before, strict=True))
    place.close()
    place.close()
    release()
    assert originals() == held
    release()
    assert originals() == before


def test_wrappers_under_those_of_others_stay_and_count_once() -> None:
    """Somebody wraps on top, and does not let go before ours go on again."""
    ours = originals()
    hold()
    create_task = asyncio.BaseEventLoop.create_task
    submit = ThreadPoolExecutor.submit

    def theirs(loop: Any, *args: Any, **kwargs: Any) -> Any:
        return create_task(loop, *args, **kwargs)

    def their_submit(pool: Any, *args: Any, **kwargs: Any) -> Any:
        return submit(pool, *args, **kwargs)

    asyncio.BaseEventLoop.create_task = theirs  # type: ignore[assignment, method-assign]
    ThreadPoolExecutor.submit = their_submit  # type: ignore[method-assign, assignment]
    try:
        release()
        assert asyncio.BaseEventLoop.create_task is theirs

        async def main(boundary: Boundary) -> None:
            await asyncio.gather(*[asyncio.to_thread(boundary.ask, name) for name in "ab"])

        boundary = repeatedly(lambda boundary: asyncio.run(main(boundary)), 2)
        assert boundary.branches() == {"a": [(0, 0, 0)], "b": [(0, 1, 0)]}
        assert asyncio.BaseEventLoop.create_task is theirs
    finally:
        asyncio.BaseEventLoop.create_task = ours[0]  # type: ignore[assignment, method-assign]
        ThreadPoolExecutor.submit = ours[4]  # type: ignore[assignment, method-assign]


def test_what_runs_beside_a_followed_call_is_in_none() -> None:
    found: list[object] = []

    async def beside() -> object:
        return await asyncio.create_task(asyncio.sleep(0, current_place()))

    def program() -> None:
        other = contextvars.Context()
        with ThreadPoolExecutor(1) as pool:
            found.append(other.run(pool.submit, current_place).result())
        found.append(other.run(asyncio.run, beside()))

    called(program)
    assert found == [None, None]


def test_a_finished_call_is_not_kept_alive() -> None:
    gc.disable()
    try:
        alive: list[weakref.ref[Any]] = []

        class Argument:
            pass

        async def main(boundary: Boundary, argument: Argument) -> None:
            alive.append(weakref.ref(argument))
            with contextlib.suppress(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    group.create_task(boundary.aask("a"))
                    group.create_task(fails(argument))

        async def fails(argument: Argument) -> None:
            await asyncio.to_thread(lambda: argument)
            raise ValueError

        def program(boundary: Boundary) -> None:
            place = current_place()
            assert place is not None
            alive.append(weakref.ref(place._call))
            with ThreadPoolExecutor(1) as pool:
                pool.submit(asyncio.run, main(boundary, Argument())).result()
            thread = threading.Thread(target=boundary.ask, args=("b",))
            thread.start()
            thread.join()

        boundary = Boundary()
        called(lambda: program(boundary))
        # asyncio itself leaves cycles, and failures do; what they hold of us is to go with them.
        gc.collect()
        assert len(boundary.seen) == 2
        assert [reference() for reference in alive] == [None, None]
        assert len(tasks) == 0
    finally:
        gc.enable()


def test_a_plain_call_goes_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        place = follow(sys._getframe())
        alive = weakref.ref(place._call)
        with within(place), ThreadPoolExecutor(1) as pool:
            pool.submit(int).result()
        place.close()
        del place
        assert alive() is None
    finally:
        gc.enable()


def test_a_call_that_is_never_closed_lets_go_when_it_is_collected() -> None:
    before = originals()

    def entry() -> Generator[None, None, None]:
        place = follow(sys._getframe())
        yield
        place.close()

    made = entry()
    next(made)
    assert originals() != before
    made.close()
    del made
    gc.collect()
    assert originals() == before


async def test_a_task_that_outlives_its_call_is_in_none() -> None:
    gate = asyncio.Event()

    async def outliving() -> CallPlace | None:
        await gate.wait()
        return current_place()

    place = follow(sys._getframe())
    with within(place):
        task = asyncio.create_task(outliving())
    place.close()
    gate.set()
    assert await task is None

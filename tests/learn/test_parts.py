"""Parts of a program that an engine runs by name: the same site however they are run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import pytest

from ayo_bridge.learn.tracing import branches
from ayo_bridge.learn.tracing.branches import follow, name_jobs
from ayo_bridge.learn.tracing.places import CallPlace, current_place, parts, within
from ayo_bridge.learn.tracing.sites import end_at

Seen = list[tuple[str, tuple[int, ...]]]


def look(place: CallPlace, seen: Seen) -> None:
    """A call at a boundary."""
    here = place.here()
    seen.append((here.site().id, here.branch))


def _run_part(name: str, step: Callable[[], Any], one_of_several: bool) -> Any:
    place = current_place()
    assert place is not None
    with within(place.part(name, one_of_several=one_of_several)):
        return begin(step)


def _here_or_in_a_pool(pool: ThreadPoolExecutor | None, *given: Any) -> Any:
    return run_part(*given) if pool is None else pool.submit(run_part, *given).result()


def begin(step: Callable[[], Any]) -> Any:
    return step()


def of_an_engine(function: Any) -> Any:
    """As a module of LangGraph's would have it, whose frames say nothing of the program."""
    return FunctionType(function.__code__, {**globals(), "__name__": "langgraph.pregel.engine"})


run_part = of_an_engine(_run_part)
engine = of_an_engine(_here_or_in_a_pool)
end_at(begin.__code__)


def named(job: Sequence[Any]) -> str:
    return str(job[1]) if job[0] is run_part else ""


@pytest.fixture(autouse=True)
def _names() -> Iterator[None]:
    name_jobs(named)
    yield
    branches._namings.remove(named)


@contextmanager
def followed() -> Iterator[CallPlace]:
    place = follow(sys._getframe())
    with within(place):
        yield place
    place.close()


def test_a_part_has_one_site_in_the_calling_thread_and_in_a_pool() -> None:
    seen: Seen = []
    with followed() as place, ThreadPoolExecutor(2) as pool:
        for used in (None, pool, pool):
            engine(used, "one", lambda: look(place, seen), False)
    sites, made = zip(*seen, strict=True)
    assert len({*sites}) == 1
    assert made == ((), (0,), (1,))


def test_parts_of_two_names_have_two_sites_and_are_numbered_apart() -> None:
    seen: Seen = []
    with followed() as place, ThreadPoolExecutor(2) as pool:
        for name in ("one", "two", "one"):
            engine(pool, name, lambda: look(place, seen), False)
    (one, first), (two, second), (again, third) = seen
    assert one == again != two
    assert (first, second, third) == ((0,), (0,), (1,))


def test_one_of_several_that_runs_without_a_job_is_numbered_with_those_that_have_one() -> None:
    seen: Seen = []
    with followed() as place, ThreadPoolExecutor(2) as pool:
        for used in (pool, None, pool, None):
            engine(used, "one", lambda: look(place, seen), True)
    assert [branch for _, branch in seen] == [(0,), (1,), (2,), (3,)]


async def test_a_task_that_runs_a_part_is_numbered_among_those_of_that_part() -> None:
    seen: Seen = []
    with followed() as place:

        async def step() -> None:
            look(place, seen)

        for name in ("one", "two", "one"):
            coroutine = step()
            parts[coroutine] = name
            await asyncio.create_task(coroutine)
    assert [branch for _, branch in seen] == [(0,), (0,), (1,)]

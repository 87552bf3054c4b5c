"""Streams keep their scope open exactly as long as they live."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, Generator, Iterator

import pytest

from ayo_bridge.runahead import Scope, current_scope
from ayo_bridge.runahead.streams import scoped_async_stream, scoped_stream
from ayo_bridge.runtime import Runtime
from tests.runahead.fakes import GatedEngine, open_scope


@pytest.fixture
def scope() -> Iterator[Scope]:
    runtime = Runtime()
    runtime.register(GatedEngine())
    yield open_scope(runtime, {})
    runtime.close()


def words(seen: list[Scope | None]) -> Generator[str, None, None]:
    try:
        for word in ("a", "b"):
            seen.append(current_scope())
            yield word
    finally:
        seen.append(current_scope())


async def async_words(seen: list[Scope | None]) -> AsyncGenerator[str, None]:
    try:
        for word in ("a", "b"):
            seen.append(current_scope())
            yield word
    finally:
        seen.append(current_scope())


def test_each_step_runs_in_the_scope_and_nothing_between(scope: Scope) -> None:
    seen: list[Scope | None] = []
    for _ in scoped_stream(words(seen), scope):
        assert current_scope() is None
        assert not scope.closed
    assert seen == [scope, scope, scope]
    assert scope.closed


def test_a_stream_dropped_before_its_first_step_closes_the_scope(scope: Scope) -> None:
    stream = scoped_stream(words([]), scope)
    del stream
    gc.collect()
    assert scope.closed


def test_a_stream_dropped_in_the_middle_closes_the_scope(scope: Scope) -> None:
    seen: list[Scope | None] = []
    stream = scoped_stream(words(seen), scope)
    next(stream)
    stream.close()
    assert seen == [scope, scope]
    assert scope.closed


def test_an_error_in_the_stream_is_noted_and_passed_on(scope: Scope) -> None:
    def broken() -> Generator[str, None, None]:
        yield "a"
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(scoped_stream(broken(), scope))
    assert scope.closed
    assert "broken" in scope.record.error


async def test_asynchronous_streams_do_the_same(scope: Scope) -> None:
    seen: list[Scope | None] = []
    async for _ in scoped_async_stream(async_words(seen), scope):
        assert current_scope() is None
    assert seen == [scope, scope, scope]
    assert scope.closed


async def test_an_asynchronous_stream_closed_early_closes_the_scope(scope: Scope) -> None:
    stream = scoped_async_stream(async_words([]), scope)
    await anext(stream)
    await stream.aclose()
    assert scope.closed


async def test_an_asynchronous_stream_never_started_closes_the_scope(scope: Scope) -> None:
    stream = scoped_async_stream(async_words([]), scope)
    del stream
    gc.collect()
    assert scope.closed


@pytest.mark.parametrize("steps", [0, 1])
def test_a_call_whose_stream_its_reader_left_is_not_whole(scope: Scope, steps: int) -> None:
    stream = scoped_stream(words([]), scope)
    for _ in range(steps):
        next(stream)
    del stream
    gc.collect()
    assert scope.closed
    assert not scope.record.whole
    assert not scope.record.error


async def test_a_call_whose_async_stream_its_reader_left_is_not_whole(scope: Scope) -> None:
    stream = scoped_async_stream(async_words([]), scope)
    await anext(stream)
    await stream.aclose()
    assert not scope.record.whole


def test_a_call_whose_stream_was_read_to_its_end_is_whole(scope: Scope) -> None:
    assert list(scoped_stream(words([]), scope)) == ["a", "b"]
    gc.collect()
    assert scope.record.whole

"""What ``accelerate`` returns for functions is a function like the one it was given."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge import Runtime, accelerate, explain, stats, timeline
from ayo_bridge.errors import NotAccelerableError, NotAcceleratedWarning


@accelerate
def decorated(text: str, *, times: int = 2) -> str:
    """Say it again."""
    return text * times


class Speaker:
    name = "she"

    @accelerate
    def says(self, text: str) -> str:
        return f"{self.name} says {text}"


def _lines(text: str) -> Iterator[str]:
    yield from text.splitlines()


async def _alines(text: str) -> AsyncIterator[str]:
    for line in text.splitlines():
        yield line


async def _later(text: str) -> str:
    return text


def test_a_decorated_function_has_its_name_signature_and_documentation() -> None:
    assert decorated("a", times=3) == "aaa"
    assert decorated.__name__ == "decorated"
    assert decorated.__doc__ == "Say it again."
    assert str(inspect.signature(decorated)) == "(text: 'str', *, times: 'int' = 2) -> 'str'"


def test_a_decorated_method_is_bound_as_ever() -> None:
    speaker = Speaker()
    assert speaker.says("so") == "she says so"
    assert Speaker.says(speaker, "no") == "she says no"
    assert "says, accelerated by python" in explain(speaker.says).full()


def test_a_decorated_function_is_pickled_and_copied_as_any_function() -> None:
    assert pickle.loads(pickle.dumps(decorated)) is decorated
    assert copy.copy(decorated) is decorated
    assert copy.deepcopy(decorated) is decorated


@pytest.mark.parametrize("function", [_lines, _alines, _later, decorated.__wrapped__])  # type: ignore[attr-defined]
def test_a_function_keeps_its_kind(function: Any, runtime: Runtime) -> None:
    fast = accelerate(function, runtime=runtime)
    for kind in (
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        inspect.iscoroutinefunction,
        inspect.isfunction,
    ):
        assert kind(fast) == kind(function)


def test_generators_are_passed_through_and_that_is_said(runtime: Runtime) -> None:
    fast = accelerate(_lines, runtime=runtime)
    assert list(fast("a\nb")) == ["a", "b"]
    assert "a generator is passed through" in explain(fast).full()


def test_bound_methods_and_partials_are_accelerated(runtime: Runtime) -> None:
    class Plain:
        def says(self, text: str, mark: str) -> str:
            return text + mark

    method = accelerate(Plain().says, runtime=runtime)
    part = accelerate(functools.partial(Plain().says, mark="!"), runtime=runtime)
    assert (method("a", mark="?"), part("a")) == ("a?", "a!")
    assert "says, accelerated by python" in explain(part).full().replace("Plain.", "")


class Reader:
    def __init__(self, name: str) -> None:
        self.name = name

    def reads(self, text: str, times: int = 1) -> str:
        return f"{self.name}: {text * times}"

    async def later(self, text: str) -> str:
        return f"{self.name}: {text}"


def test_a_bound_method_stays_one(runtime: Runtime) -> None:
    reader = Reader("she")
    fast = accelerate(reader.reads, runtime=runtime)
    assert inspect.ismethod(fast)
    assert fast.__self__ is reader
    assert fast.__name__ == "reads"
    assert inspect.signature(fast) == inspect.signature(reader.reads)
    assert [fast("a"), fast(text="b", times=2)] == ["she: a", "she: bb"]
    assert fast.__func__(Reader("he"), "a") == "he: a"
    assert pickle.loads(pickle.dumps(fast))("a") == "she: a"
    with pytest.raises(TypeError, match=r"takes from 2 to 3 positional arguments but 4 were given"):
        fast("a", 1, "b")
    assert stats(fast).calls == 3


def test_a_partial_stays_one(runtime: Runtime) -> None:
    part = functools.partial(Reader("she").reads, "a", times=3)
    fast = accelerate(part, runtime=runtime)
    assert isinstance(fast, functools.partial)
    assert (fast.args, fast.keywords) == (part.args, part.keywords)
    assert inspect.signature(fast) == inspect.signature(part)
    assert [fast(), fast(times=2)] == ["she: aaa", "she: aa"]
    assert fast.func("b") == "she: b"
    assert functools.partial(fast, times=1)() == "she: a"
    with pytest.raises(TypeError, match="multiple values for argument 'text'"):
        fast(text="b")
    assert stats(fast).calls == 4


async def test_what_is_awaited_of_a_method_or_a_partial_of_one_is_awaited(runtime: Runtime) -> None:
    reader = Reader("she")
    fast = accelerate(reader.later, runtime=runtime)
    part = accelerate(functools.partial(reader.later, text="a"), runtime=runtime)
    assert inspect.iscoroutinefunction(fast)
    assert inspect.iscoroutinefunction(part)
    assert (await fast("b"), await part()) == ("she: b", "she: a")
    assert stats(part).calls == 1


def test_stats_and_timeline_know_a_function(runtime: Runtime, tmp_path: Path) -> None:
    fast = accelerate(_plain, runtime=runtime)
    fast("a")
    assert stats(fast).calls == 1
    assert timeline(fast, tmp_path / "calls.json").exists()
    with pytest.raises(NotAccelerableError):
        stats(_plain)


def _plain(text: str) -> str:
    return text


def test_a_function_that_is_accelerated_already_is_returned(runtime: Runtime) -> None:
    fast = accelerate(_plain, runtime=runtime)
    with pytest.warns(NotAcceleratedWarning, match="accelerated already"):
        assert accelerate(fast, runtime=runtime) is fast


def test_who_wraps_an_accelerated_function_is_not_taken_for_it(runtime: Runtime) -> None:
    fast = accelerate(_plain, runtime=runtime)

    @functools.wraps(fast)
    def outside(text: str) -> str:
        return fast(text) + "!"

    assert accelerate(outside, runtime=runtime)("a") == "a!"


def test_a_function_with_a_cache_keeps_one(runtime: Runtime) -> None:
    made: list[str] = []

    @functools.lru_cache(maxsize=2)
    def answer(text: str) -> str:
        made.append(text)
        return text + "!"

    fast = accelerate(answer, runtime=runtime)
    assert [fast("a"), fast("a"), fast("b")] == ["a!", "a!", "b!"]
    assert made == ["a", "b"]
    assert fast.cache_parameters() == answer.cache_parameters()
    assert (fast.cache_info().hits, fast.cache_info().misses) == (1, 2)
    assert stats(fast).calls == 2
    assert fast.__name__ == "answer"
    with pytest.warns(NotAcceleratedWarning, match="accelerated already"):
        assert accelerate(fast, runtime=runtime) is fast


def test_a_cached_method_is_one_without_learning_too(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cached:
        @functools.cache  # noqa: B019
        def answer(self, text: str) -> str:
            return text + "!"

    assert accelerate(Cached().answer, runtime=runtime)("a") == "a!"
    monkeypatch.setenv("AYO_LEARN", "0")
    assert accelerate(Cached().answer, runtime=runtime)("a") == "a!"


def test_a_function_that_dispatches_by_class_goes_on_to(runtime: Runtime) -> None:
    @functools.singledispatch
    def said(value: object) -> str:
        return "something"

    fast = accelerate(said, runtime=runtime)
    fast.register(int, lambda value: "a number")
    assert [fast("a"), fast(1)] == ["something", "a number"]
    with pytest.raises(TypeError, match="requires at least 1 positional argument"):
        fast(value=1)

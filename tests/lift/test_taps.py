"""Taps tell a guide what helpers are asked and have made, and never get in the way."""

from collections.abc import Iterator
from typing import Any

import pytest
import wrapt

from ayo_bridge.lift.taps import after, after_async, before
from ayo_bridge.runahead import Scope
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import entered
from tests.scopes import open_scope


class Guide:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []


class Helper:
    """A helper of a framework."""

    def pack(self, prompt: str, chunks: list[str], *, size: int = 1, **options: Any) -> list[str]:
        return [prompt, *chunks]

    async def apack(self, prompt: str, chunks: list[str]) -> list[str]:
        return [prompt, *chunks]


def wrapped(name: str, wrapper: Any) -> Any:
    """A helper of a class of its own whose method is wrapped."""
    cls = type("Helper", (Helper,), {name: getattr(Helper, name)})
    wrapt.wrap_function_wrapper(cls, name, wrapper)
    return cls()


@pytest.fixture
def guided() -> Iterator[tuple[Scope, Guide]]:
    runtime = Runtime(measure=False)
    scope, guide = open_scope(runtime), Guide()
    scope.guide = guide
    yield scope, guide
    scope.close()
    runtime.close()


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("p", ["c"]), {"size": 2, "extra": 3}),
        (("p",), {"chunks": ["c"], "size": 2, "extra": 3}),
        ((), {"prompt": "p", "chunks": ["c"], "size": 2, "extra": 3}),
    ],
)
def test_arguments_come_by_name(
    guided: tuple[Scope, Guide], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    scope, guide = guided
    helper = wrapped("pack", before(Guide, lambda g, obj, given: g.told.append((obj, given))))
    with entered(scope):
        assert helper.pack(*args, **kwargs) == ["p", "c"]
    assert guide.told == [(helper, {"prompt": "p", "chunks": ["c"], "size": 2, "extra": 3})]


async def test_what_was_returned_is_told(guided: tuple[Scope, Guide]) -> None:
    scope, guide = guided
    plain = wrapped("pack", after(Guide, lambda g, _, given, made: g.told.append(made)))
    awaited = wrapped("apack", after_async(Guide, lambda g, _, given, made: g.told.append(made)))
    with entered(scope):
        plain.pack("p", ["c"])
        await awaited.apack("q", ["d"])
    assert guide.told == [["p", "c"], ["q", "d"]]


def test_a_mistake_in_telling_never_breaks_the_original(guided: tuple[Scope, Guide]) -> None:
    scope, _ = guided
    helper = wrapped("pack", before(Guide, lambda g, obj, given: given["no such argument"]))
    with entered(scope):
        assert helper.pack("p", ["c"]) == ["p", "c"]
    assert "could not be followed" in scope.record.decisions[-1].reason


def test_without_a_scope_or_with_another_guide_nothing_is_told(
    guided: tuple[Scope, Guide],
) -> None:
    scope, guide = guided
    helper = wrapped("pack", before(Guide, lambda g, obj, given: g.told.append(given)))
    assert helper.pack("p", ["c"]) == ["p", "c"]
    scope.guide = object()
    with entered(scope):
        assert helper.pack("p", ["c"]) == ["p", "c"]
    assert guide.told == []

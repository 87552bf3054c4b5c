"""What ``accelerate`` returns for an object of a user's class that is called like a function."""

from __future__ import annotations

import asyncio
import copy
import enum
import functools
import gc
import importlib
import inspect
import pickle
import weakref
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from unittest.mock import Mock

import pydantic
import pytest
from fastapi import FastAPI

from ayo_bridge import Runtime, accelerate, explain, stats
from ayo_bridge.errors import NotAccelerableError, NotAcceleratedWarning
from ayo_bridge.lift.own_code import is_own
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import (
    asked,
    asked_async,
    async_client_of,
    client_of,
    learned,
    outcomes,
    prompts,
    question,
    side_by_side,
)
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Assistant:
    """Keeps count."""

    of_class = "shared"

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.calls = 0
        self.tools = {"say": self.say}

    def __call__(self, text: str, *, times: int = 1) -> str:
        return self.tools["say"](text * times)

    def say(self, text: str) -> str:
        self.calls += 1
        return text + self.mark

    def again(self, text: str) -> str:
        return self(text)

    def __repr__(self) -> str:
        return f"Assistant({self.mark})"


@dataclass
class Data:
    mark: str
    said: list[str] = field(default_factory=list)

    def __call__(self, text: str) -> str:
        self.said.append(text)
        return text + self.mark


@dataclass(frozen=True, order=True)
class Frozen:
    mark: str

    def __call__(self, text: str) -> str:
        return text + self.mark


@dataclass(slots=True)
class Slotted:
    mark: str

    def __call__(self, text: str) -> str:
        return text + self.mark


class Hidden:
    __slots__ = ("__mark",)

    def __init__(self, mark: str) -> None:
        self.__mark = mark

    def __call__(self, text: str) -> str:
        return text + self.__mark


class Model(pydantic.BaseModel):
    mark: str
    _said: list[str] = pydantic.PrivateAttr(default_factory=list)

    def __call__(self, text: str) -> str:
        self._said.append(text)
        return text + self.mark


CLASSES: Final = [Assistant, Data, Frozen, Slotted, Hidden, lambda mark: Model(mark=mark)]


@pytest.mark.parametrize("make", CLASSES)
def test_it_is_an_object_of_that_class_and_its_calls_are_counted(
    make: Any, runtime: Runtime
) -> None:
    original = make("!")
    fast = accelerate(original, runtime=runtime)
    assert isinstance(fast, type(original))
    assert type(fast).__qualname__ == type(original).__qualname__
    assert inspect.signature(fast) == inspect.signature(original)
    assert (fast("a"), original("b")) == ("a!", "b!")
    assert stats(fast).calls == 1
    assert f"{type(original).__name__}, accelerated by python" in explain(fast).full()
    with pytest.warns(NotAcceleratedWarning, match="accelerated already"):
        assert accelerate(fast, runtime=runtime) is fast


@pytest.mark.parametrize("make", CLASSES)
def test_what_is_copied_and_unpickled_is_accelerated_and_on_its_own(
    make: Any, runtime: Runtime
) -> None:
    fast = accelerate(make("!"), runtime=runtime)
    for made in (copy.copy(fast), copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        assert made("a") == "a!"
        assert stats(made).calls == 1
        assert made is not fast
    assert stats(fast).calls == 0


def test_it_shares_its_attributes_with_the_original(runtime: Runtime) -> None:
    original = Assistant("!")
    fast = accelerate(original, runtime=runtime)
    assert fast("a") == "a!"
    assert fast.calls == original.calls == 1  # Counted by a method bound to the original.
    fast.mark = "?"
    assert (fast.again("b"), fast("c", times=2), original("d")) == ("b?", "cc?", "d?")
    assert fast.calls == original.calls == 4
    assert repr(fast) == "Assistant(?)"
    other = copy.deepcopy(fast)
    other.mark = "."
    assert (other("e"), fast("e")) == ("e.", "e?")
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'text'"):
        fast()  # type: ignore[call-arg]


def test_it_equals_what_the_original_equals(runtime: Runtime) -> None:
    for one, other in ((Data("!"), Data("?")), (Frozen("!"), Frozen("?")), (Model(mark="!"), 1)):
        fast = accelerate(one, runtime=runtime)
        assert fast == one
        assert one == fast
        assert fast == accelerate(one, runtime=runtime)
        assert fast != other
        assert other != fast
    fast = accelerate(Frozen("b"), runtime=runtime)
    assert sorted([Frozen("c"), fast, Frozen("a")]) == [Frozen("a"), Frozen("b"), Frozen("c")]
    assert hash(fast) == hash(Frozen("b"))
    assert replace(fast, mark="?")("a") == "a?"
    with pytest.raises(FrozenInstanceError):
        fast.mark = "?"  # type: ignore[misc]


def test_a_model_keeps_its_fields_and_what_is_private(runtime: Runtime) -> None:
    original = Model(mark="!")
    fast = accelerate(original, runtime=runtime)
    fast.mark = "?"
    assert fast("a") == "a?"
    assert (original.mark, original._said) == ("?", ["a"])
    assert fast.model_dump() == {"mark": "?"}
    assert repr(fast) == "Model(mark='?')"
    assert fast.model_copy(update={"mark": "."})("b") == "b."


def test_what_a_class_does_when_it_is_derived_from_or_ends_is_done_once(runtime: Runtime) -> None:
    known: list[str] = []
    ended: list[str] = []

    class Step:
        def __init_subclass__(cls, *, name: str) -> None:
            known.append(name)

    class Upper(Step, name="upper"):
        def __init__(self, mark: str) -> None:
            self.mark = mark

        def __call__(self, text: str) -> str:
            return text.upper() + self.mark

        def __del__(self) -> None:
            ended.append(self.mark)

    fast = accelerate(Upper("!"), runtime=runtime)
    other = copy.copy(fast)
    made = type(fast)("?")
    assert (fast("a"), other("b"), made("c"), known) == ("A!", "B!", "C?", ["upper"])
    gc.collect()
    assert ended == []
    del made
    assert ended == ["?"]
    del fast, other
    gc.collect()
    assert ended == ["?", "!", "!"]


def test_the_original_lives_as_long_as_it_does(runtime: Runtime) -> None:
    original = Assistant("!")
    said = weakref.WeakMethod(original.say)
    fast = accelerate(original, runtime=runtime)
    original.tools = {"say": lambda text: said()(text)}  # type: ignore[misc]
    del original
    gc.collect()
    assert fast("a") == "a!"


async def test_what_is_awaited_is_awaited(runtime: Runtime) -> None:
    class Later:
        async def __call__(self, text: str) -> str:
            await asyncio.sleep(0)
            return text

    fast = accelerate(Later(), runtime=runtime)
    assert inspect.iscoroutinefunction(fast.__call__)
    assert await fast("a") == "a"
    assert stats(fast).calls == 1


def test_what_streams_is_passed_through_and_that_is_said(runtime: Runtime) -> None:
    class Lines:
        def __call__(self, text: str) -> Iterator[str]:
            yield from text.splitlines()

    fast = accelerate(Lines(), runtime=runtime)
    assert list(fast("a\nb")) == ["a", "b"]
    assert "a generator is passed through" in explain(fast).full()


def test_where_nothing_is_learned_it_is_an_object_of_that_class_too(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYO_LEARN", "0")
    fast = accelerate(Assistant("!"), runtime=runtime)
    assert fast("a") == "a!"
    assert "AYO_LEARN=0 is set" in explain(fast).full()


def test_a_method_that_only_the_object_has_is_not_called(runtime: Runtime) -> None:
    original = Frozen("!")
    object.__setattr__(original, "__call__", lambda text: "wrong")
    assert original("a") == accelerate(original, runtime=runtime)("a") == "a!"


def test_a_partial_of_an_object_calls_an_object(runtime: Runtime) -> None:
    part = functools.partial(Assistant("!"), times=2)
    fast = accelerate(part, runtime=runtime)
    assert isinstance(fast, functools.partial)
    assert isinstance(fast.func, Assistant)
    assert (fast("a"), fast("a", times=1)) == ("aa!", "a!")
    assert stats(fast).calls == 2


class Kind(enum.Enum):
    ONE = 1

    def __call__(self, text: str) -> str:
        return text


class Table(dict[str, str]):
    def __call__(self, text: str) -> str:
        return self[text]


@pytest.mark.parametrize(
    ("obj", "sentence"),
    [
        (Assistant, r"accelerate\(Assistant\(...\)\), or put @accelerate above the method"),
        (staticmethod(len), "Put @accelerate below @staticmethod"),
        (Kind.ONE, r"there can be no second Kind like this one .* as in accelerate\(obj.__call__"),
        (Table(), r"there can be no second Table like this one .* accelerate\(obj.__call__"),
        (Mock(), r"cannot accelerate a unittest.mock.Mock. Pass what your application calls"),
        (FastAPI(), r"Of a library's object pass the method: accelerate\(obj.__call__\)"),
        (len, "cannot accelerate a builtins.builtin_function_or_method"),
        (1, "cannot accelerate a builtins.int"),
    ],
)
def test_what_cannot_be_accelerated_is_refused_with_what_to_do(
    obj: Any, sentence: str, runtime: Runtime
) -> None:
    with pytest.raises(NotAccelerableError, match=sentence):
        accelerate(obj, runtime=runtime)


def test_a_program_that_is_installed_is_the_programs_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("installed_app", "installed_library"):
        packages = tmp_path / "site-packages"
        info = packages / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (packages / f"{name}.py").write_text(
            "class Bot:\n    def __call__(self, text):\n        return text\n"
        )
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{name}.py,,\n")
        if name == "installed_app":
            (info / "direct_url.json").write_text('{"url": "file:///app", "dir_info": {}}')
    monkeypatch.syspath_prepend(str(packages))
    for name in ("installed_app", "installed_library"):
        importlib.import_module(name)
    assert is_own("installed_app")
    assert not is_own("installed_library")


class Rag:
    """Two calls that do not need each other."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __call__(self, query: str) -> str:
        causes = asked(self.client, f"List the causes: {query}")
        return causes + " / " + asked(self.client, f"List the effects: {query}")


class LaterRag(Rag):
    async def __call__(self, query: str) -> str:  # type: ignore[override]
        causes = await asked_async(self.client, f"List the causes: {query}")
        return causes + " / " + await asked_async(self.client, f"List the effects: {query}")


def test_its_calls_run_ahead_once_they_were_learned(stub: StubOpenAI, runtime: Runtime) -> None:
    original = Rag(client_of(stub))
    fast = accelerate(original, runtime=runtime)
    for number in range(4):
        assert fast(question(number)) == original(question(number))
    learned(fast)
    with side_by_side(stub):
        answer = fast(question(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}
    made = prompts(stub)
    assert answer == original(question(9))
    assert prompts(stub) == made + made


async def test_awaited_calls_run_ahead_too(stub: StubOpenAI, runtime: Runtime) -> None:
    original = LaterRag(async_client_of(stub))
    fast = accelerate(original, runtime=runtime)
    for number in range(4):
        assert await fast(question(number)) == await original(question(number))
    await asyncio.to_thread(learned, fast)
    with side_by_side(stub):
        answer = await fast(question(9))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}
    assert answer == await original(question(9))

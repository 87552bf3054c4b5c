"""A memo returns what its function does, stays small, and can be shared by threads."""

import functools
import gc
import inspect
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
import wrapt
from hypothesis import given
from hypothesis import strategies as st

from ayo_bridge.lift.memo import Remembered, remembered_signature
from ayo_bridge.seam import Scope, entered


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


@given(st.lists(st.text(max_size=80)))
def test_what_is_remembered_is_what_the_function_returns(texts: list[str]) -> None:
    memo = Remembered(letters, most=300)
    assert [memo(text) for text in texts * 2] == [letters(text) for text in texts * 2]
    assert len(memo) <= 6


def test_texts_are_asked_for_once_and_whole_documents_are_not_kept() -> None:
    asked: list[str] = []

    def counted(text: str) -> list[int]:
        asked.append(text)
        return letters(text)

    memo = Remembered(counted)
    for text in ("a", "a", long := "b" * 20_001, long):
        memo(text)
    assert asked == ["a", long, long]
    assert len(memo) == 1


def test_long_texts_leave_less_room() -> None:
    memo = Remembered(letters, most=1000)
    for number in range(100):
        memo(str(number) * 200)
    assert len(memo) <= 6


def test_a_caller_may_change_its_result() -> None:
    memo = Remembered(letters)
    memo("ab").clear()
    assert memo("ab") == letters("ab")


def test_threads_share_one_memo() -> None:
    memo = Remembered(letters, most=1010)
    texts = [str(i % 40) for i in range(4000)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(memo, texts)) == list(map(letters, texts))
    assert len(memo) <= 20 + 8


@pytest.fixture
def signature() -> Iterator[Callable[[Any], inspect.Signature]]:
    """The remembered one, under a scope."""
    remembered = wrapt.FunctionWrapper(inspect.signature, remembered_signature)
    scope = cast(Scope, SimpleNamespace(closed=False))
    with entered(scope):
        yield remembered


def plain(a: int, /, b: str = "b", *rest: int, c: float = 1.0, **more: str) -> None: ...


@functools.wraps(plain)
def wrapping(*args: Any, **kwargs: Any) -> None: ...


class Called:
    def method(self, a: int, b: str = "b") -> None: ...

    @functools.wraps(method)
    def decorated(self, *args: Any) -> None: ...

    @classmethod
    def of_class(cls, a: int) -> None: ...

    def __call__(self, a: int) -> None: ...


ASKED: dict[str, Any] = {
    "function": plain,
    "wrapping": wrapping,
    "method": Called().method,
    "unbound": Called.method,
    "decorated": Called().decorated,
    "class method": Called.of_class,
    "class": Called,
    "object": Called(),
    "partial": functools.partial(plain, 1),
    "built in": print,
}


@pytest.mark.parametrize("name", ASKED)
def test_a_signature_is_what_inspect_returns(
    name: str, signature: Callable[[Any], inspect.Signature]
) -> None:
    for _ in range(3):
        assert signature(ASKED[name]) == inspect.signature(ASKED[name])


def test_a_signature_is_made_once_and_anew_when_the_function_changes(
    signature: Callable[[Any], inspect.Signature],
) -> None:
    def changing(a: int, b: int = 1) -> None: ...

    first = signature(changing)
    assert signature(changing) is first
    changing.__defaults__ = (2,)
    assert signature(changing) == inspect.signature(changing) != first
    changing.__code__ = (lambda x: None).__code__
    assert signature(changing) == inspect.signature(changing)
    changing.__wrapped__ = plain  # type: ignore[attr-defined]
    assert signature(changing) == inspect.signature(plain)
    changing.__signature__ = first  # type: ignore[attr-defined]
    assert signature(changing) == first


def test_functions_are_not_kept_alive(signature: Callable[[Any], inspect.Signature]) -> None:
    def function(a: int) -> None: ...

    signature(function)
    gone = weakref.ref(function)
    del function
    gc.collect()
    assert gone() is None

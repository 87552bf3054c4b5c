"""Pure glue, remembered: bounded memos that many threads share."""

from __future__ import annotations

import weakref
from array import array
from collections.abc import Callable
from inspect import Signature
from operator import is_
from types import FunctionType, MethodType
from typing import Any, Final

from ayo_bridge.seam import current_scope

_LONGEST: Final = 20_000
"""Longer texts are whole documents: they are cut once."""
_MOST: Final = 1_000_000
"""Characters in a generation, about 6 MB with their tokens; two generations are kept."""
_EACH: Final = 100
"""What a text takes beside its characters and tokens, in characters."""


class Remembered:
    """A tokenizer that remembers the tokens of texts. Each call returns a list of its own.

    Takes no lock: single operations on dicts are atomic, and a race costs a second look at most.
    What was not asked for during a whole generation is forgotten.

    Args:
        function: pure, of a string; what it returns must depend on nothing else.
        most: characters in each of the two generations.
    """

    __slots__ = ("_function", "_most", "_old", "_size", "_young")

    def __init__(self, function: Callable[[str], list[int]], most: int = _MOST) -> None:
        self._function = function
        self._most = most
        self._size = 0
        self._young: dict[str, array[int]] = {}
        self._old: dict[str, array[int]] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __bool__(self) -> bool:
        return True

    def __call__(self, text: str) -> list[int]:
        """What the function returns for ``text``."""
        if type(text) is not str or len(text) > _LONGEST:
            return self._function(text)
        known = self._young.get(text)
        if known is None:
            known = self._old.get(text)
            if known is None:
                known = array("l", self._function(text))
            if self._size >= self._most:
                self._old, self._young, self._size = self._young, {}, 0
            self._size += len(text) + _EACH
            self._young[text] = known
        return known.tolist()


def remembered_signature(
    wrapped: Callable[..., Signature], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Signature:
    """A wrapper of ``inspect.signature`` that remembers those of plain functions and methods.

    A signature follows from code, defaults and annotations, of the function and of those that it
    wraps (3.11, ``inspect._signature_from_callable``); it cannot be changed. Without a scope it is
    a pass-through.
    """
    if kwargs or len(args) != 1 or current_scope() is None:
        return wrapped(*args, **kwargs)
    (asked,) = args
    bound = type(asked) is MethodType
    function = asked.__func__ if bound else asked
    made_of = _made_of(function)
    if made_of is None:
        return wrapped(asked)
    known = _signatures.get(function)
    if known is None or not all(map(is_, known[0], made_of)):
        known = _signatures[function] = made_of, {}
    signature = known[1].get(bound)
    if signature is None:
        signature = known[1][bound] = wrapped(asked)
    return signature


_MadeOf = tuple[object, ...]
_signatures: Final[
    weakref.WeakKeyDictionary[FunctionType, tuple[_MadeOf, dict[bool, Signature]]]
] = weakref.WeakKeyDictionary()


def _made_of(function: Any) -> _MadeOf | None:
    """All that a signature is made of; ``None`` if it may be made otherwise."""
    made_of: list[object] = []
    while type(function) is FunctionType:
        state = function.__dict__
        if "__signature__" in state or len(made_of) > 40:
            return None
        inner = state.get("__wrapped__")
        made_of += (function.__code__, function.__defaults__, function.__kwdefaults__, inner)
        if inner is None:
            return tuple(made_of)
        function = inner
    return None


__all__ = ["Remembered", "remembered_signature"]

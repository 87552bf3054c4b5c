"""The state of accelerated functions, which have no class to carry it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from types import FunctionType, MethodType
from typing import Any, Final

from ayo_bridge.runahead.state import AcceleratedState

_states: Final[weakref.WeakKeyDictionary[Callable[..., Any], AcceleratedState]] = (
    weakref.WeakKeyDictionary()
)


def keep(function: Callable[..., Any], state: AcceleratedState) -> None:
    """Remember the state of an accelerated function for as long as that lives."""
    _states[_of(function)] = state


def function_state(obj: object) -> AcceleratedState | None:
    """The state of an accelerated function, or of a method made of one; ``None`` for others."""
    known = isinstance(obj, FunctionType | MethodType | partial)
    return _states.get(_of(obj)) if known else None


def _of(obj: Any) -> Callable[..., Any]:
    """What the state belongs to: a method is made anew each time it is looked up."""
    while isinstance(obj, MethodType | partial):
        obj = obj.__func__ if isinstance(obj, MethodType) else obj.func
    found: Callable[..., Any] = obj
    return found

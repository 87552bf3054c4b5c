"""Functions, and what is called like one: the state of accelerated ones, and their originals.

Functions have no class of their own that could carry a state.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, Final

from ayo_bridge.lift.subclass import plain, state_of
from ayo_bridge.runahead.state import AcceleratedState

_states: Final[weakref.WeakKeyDictionary[Callable[..., Any], AcceleratedState]] = (
    weakref.WeakKeyDictionary()
)


_CACHED: Final = functools._lru_cache_wrapper


def keep(function: Callable[..., Any], state: AcceleratedState) -> None:
    """Remember the state of an accelerated function for as long as that lives."""
    _states[_of(function)] = state


def function_state(obj: object) -> AcceleratedState | None:
    """The state of an accelerated function, or of what was made of one; ``None`` for others."""
    if not isinstance(obj, FunctionType | MethodType | functools.partial | _CACHED):
        return None
    inner: object = _of(obj)
    return _states.get(inner) if isinstance(inner, FunctionType) else state_of(inner)


def original_of(obj: Any) -> Any:
    """What an accelerated object or function, or what was made of one, would be without us."""
    if state_of(obj) is not None:
        return plain(obj)
    if function_state(obj) is None:
        return obj
    if isinstance(obj, functools.partial):
        return functools.partial(original_of(obj.func), *obj.args, **obj.keywords)
    if isinstance(obj, MethodType):
        return MethodType(original_of(obj.__func__), obj.__self__)
    if isinstance(obj, _CACHED):
        return cached(original_of(obj.__wrapped__), obj)
    return obj.__wrapped__


def cached(function: Callable[..., Any], like: Any) -> Any:
    """A function with a cache of its own, of the kind that ``like`` has."""
    made = functools.lru_cache(**like.cache_parameters())(function)
    made.__dict__.update({k: v for k, v in vars(like).items() if k != "__wrapped__"})
    return made


def called_of(obj: Any) -> Any:
    """The function that is called when ``obj`` is: of an object the method ``__call__`` of it."""
    if isinstance(obj, FunctionType | MethodType | functools.partial | _CACHED):
        return obj
    for cls in type(obj).__mro__:
        if "__call__" in vars(cls):  # What the object itself has under this name is not called.
            found = vars(cls)["__call__"]
            return found.__get__(obj, type(obj)) if hasattr(type(found), "__get__") else found
    return obj


def _of(obj: Any) -> Callable[..., Any]:
    """What the state belongs to: a method is made anew each time it is looked up."""
    while isinstance(obj, MethodType | functools.partial | _CACHED):
        if isinstance(obj, MethodType):
            obj = obj.__func__
        else:
            obj = obj.func if isinstance(obj, functools.partial) else obj.__wrapped__
    found: Callable[..., Any] = obj
    return found

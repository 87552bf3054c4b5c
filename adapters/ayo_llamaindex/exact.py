"""Recognition by exact behaviour: a class is lifted only if its methods are the known ones."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import wrapt

TESTED = ("0.14.25", "0.15")
"""Versions of llama-index-core that the lifters were written for, half open."""


def differs(obj: object, cls: type, *methods: str) -> str | None:
    """Why ``obj`` may not behave as ``cls`` does, or ``None`` if it certainly does.

    Subclasses, methods replaced on the class or the instance, and wrappers other than ours and
    LlamaIndex's own all count as different.
    """
    if type(obj) is not cls:
        return f"{type(obj).__name__} is not {cls.__name__} itself"
    return overridden(obj, *methods)


def overridden(obj: object, *methods: str) -> str | None:
    """Why one of ``methods`` is not the library's own, or ``None``."""
    for name in methods:
        if name in getattr(obj, "__dict__", {}):
            return f"{type(obj).__name__}.{name} is replaced on the instance"
    # Not cached: a user may patch a class at any time.
    for name in methods:
        reason = _foreign(type(obj), name)
        if reason is not None:
            return reason
    return None


def _foreign(cls: type, name: str) -> str | None:
    for owner in cls.__mro__:
        if name in vars(owner):
            function = _unwrapped(vars(owner)[name])
            module = getattr(function, "__module__", None)
            qualname = getattr(function, "__qualname__", "")
            if module not in _modules(owner) or qualname.split(".")[-1] != name:
                return f"{cls.__name__}.{name} has been replaced by {module}.{qualname}"
            return None
    return f"{cls.__name__} has no {name}"


@lru_cache(maxsize=256)
def _modules(owner: type) -> frozenset[str]:
    return frozenset({owner.__module__})


def _unwrapped(function: Any) -> Any:
    """The library's own function under our wrappers and the framework's decorators.

    Any other wrapper in between ends the search, so that it is seen as foreign.
    """
    while True:
        if isinstance(function, staticmethod | classmethod):
            function = function.__func__
        elif isinstance(function, wrapt.FunctionWrapper | wrapt.BoundFunctionWrapper):
            wrapper = function._self_wrapper
            module = getattr(wrapper, "__module__", "") or ""
            if not module.startswith(("ayo_", "llama_index")):
                return wrapper
            function = function.__wrapped__
        elif hasattr(function, "__wrapped__"):
            if function.__module__ != getattr(function.__wrapped__, "__module__", None):
                return function
            code = getattr(function, "__code__", None)
            if code is not None and "llama_index" not in code.co_filename:
                return _Foreign(function)
            function = function.__wrapped__
        else:
            code = getattr(function, "__code__", None)
            if code is not None and "llama_index" not in code.co_filename:
                return _Foreign(function)
            return function


class _Foreign:
    """A function that poses as the library's by name but is defined elsewhere."""

    def __init__(self, function: Any) -> None:
        self.__module__ = function.__code__.co_filename
        self.__qualname__ = function.__code__.co_name

"""Recognition by exact behaviour: a class is lifted only if its methods are the known ones."""

from __future__ import annotations

from typing import Any

import wrapt

from ayo_bridge.lift.subclass import state_of
from ayo_bridge.lift.witness import Found, found, saw, stand, wavers

TESTED = ("0.14.25", "0.15")
"""Versions of llama-index-core that the lifters were written for, half open."""


def differs(obj: object, cls: type, *methods: str) -> str | None:
    """Why ``obj`` may not behave as ``cls`` does, or ``None`` if it certainly does.

    Subclasses, methods replaced on the class or the instance, and wrappers other than ours and
    LlamaIndex's own all count as different.
    """
    if plain_class(saw(obj)) is not cls:
        return f"{type(obj).__name__} is not {cls.__name__} itself"
    return overridden(obj, *methods)


def overridden(obj: object, *methods: str) -> str | None:
    """Why one of ``methods`` is not the library's own, or ``None``."""
    own = getattr(saw(obj), "__dict__", None)
    if own:
        for name in methods:
            if name in own:
                return f"{type(obj).__name__}.{name} is replaced on the instance"
    cls = plain_class(obj)
    functions = _fine.get((cls, methods), [])
    if not functions or not stand(functions):
        functions = []
        for name in methods:
            reason = _foreign(cls, name, functions)
            if reason is not None:
                wavers()  # A part of what it consists of may be changed unseen.
                return reason
        _fine[cls, methods] = functions
    found(functions)
    return None


def plain_class(obj: object) -> type:
    """The class of an object; for an accelerated one the user's, under the subclass made for it."""
    return type(obj).__mro__[1] if state_of(obj) is not None else type(obj)


_DECORATORS = ("llama_index", "tenacity")
"""Packages whose decorators LlamaIndex puts on its own methods."""

_fine: dict[tuple[type, tuple[str, ...]], list[Found]] = {}
"""Methods found to be the library's own, and where: as long as these stand, so does the verdict."""


def _foreign(cls: type, name: str, functions: list[Found]) -> str | None:
    for index, owner in enumerate(cls.__mro__):
        if name in vars(owner):
            function = vars(owner)[name]
            before = tuple(vars(earlier) for earlier in cls.__mro__[:index])
            functions.append((vars(owner), name, function, before))
            return _verdict(cls, owner, name, function)
    return f"{cls.__name__} has no {name}"


def _verdict(cls: type, owner: type, name: str, function: Any) -> str | None:
    function = _unwrapped(function)
    module = getattr(function, "__module__", None)
    qualname = getattr(function, "__qualname__", "")
    if module != owner.__module__ or qualname.split(".")[-1] != name:
        return f"{cls.__name__}.{name} has been replaced by {module}.{qualname}"
    return None


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
            if code is not None and not any(name in code.co_filename for name in _DECORATORS):
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

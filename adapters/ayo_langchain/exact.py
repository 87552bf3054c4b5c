"""Recognition by exact behaviour: a class is lifted only if its methods are the known ones."""

from __future__ import annotations

import functools
import sys
from typing import Any, Final

import wrapt

from ayo_bridge.lift.subclass import state_of

CORE: Final = ("1.2", "2")
CLASSIC: Final = ("1.0", "2")
"""Versions of langchain-core and langchain-classic that the lifters were written for, half open
(read and run with langchain-core 1.7.2 and langchain-classic 1.0.8)."""


def class_of(obj: object) -> type:
    """The user's class: below the subclass ``accelerate`` makes and below type parameters.

    ``RunnableParallel[dict[str, Any]]``, as ``.assign()`` makes it, is ``RunnableParallel``.
    """
    cls = type(obj).__mro__[1] if state_of(obj) is not None else type(obj)
    generic = vars(cls).get("__pydantic_generic_metadata__") or {}
    origin: type | None = generic.get("origin")
    return origin or cls


def is_binding(obj: object) -> bool:
    """Whether ``obj`` is a runnable with arguments bound to it, as ``bind`` makes it.

    Chat models make bindings of a class of their own, which only adds types.
    """
    from langchain_core.runnables import RunnableBinding

    cls = class_of(obj)
    return issubclass(cls, RunnableBinding) and cls.__module__.startswith("langchain_core.")


def differs(obj: object, cls: type, *methods: str) -> str | None:
    """Why ``obj`` may not behave as ``cls`` does, or ``None`` if it certainly does.

    Subclasses, methods replaced on the class or the instance, and wrappers other than ours all
    count as different.
    """
    found = class_of(obj)
    if found is not cls:
        return f"{found.__name__} is not {cls.__name__} itself"
    return overridden(obj, *methods)


def overridden(obj: object, *methods: str) -> str | None:
    """Why one of ``methods`` is not the library's own, or ``None``."""
    # Not cached: a user may patch a class at any time.
    own = getattr(obj, "__dict__", {})
    cls = class_of(obj)
    for name in methods:
        if name in own:
            return f"{cls.__name__}.{name} is replaced on the instance"
        reason = _foreign(cls, name)
        if reason is not None:
            return reason
    return None


def _foreign(cls: type, name: str) -> str | None:
    owners = [owner for owner in cls.__mro__ if name in vars(owner)]
    for owner in owners:  # All of them: methods call the next through super().
        function = _below_ours(vars(owner)[name])
        where = getattr(function, "__module__", None) or type(function).__module__
        if not _belongs(function, where, owner, name):
            called = getattr(function, "__qualname__", type(function).__name__)
            return f"{cls.__name__}.{name} has been replaced by {where}.{called}"
    return None if owners else f"{cls.__name__} has no {name}"


def _belongs(function: Any, module: str, owner: type, name: str) -> bool:
    """Whether a function is the one that its class was written with.

    Somebody else's may carry any name, but not its code in a file of the library.
    """
    code = getattr(function, "__code__", None)
    home = getattr(sys.modules.get(module), "__file__", None)
    library = owner.__module__.partition(".")[0]
    return (
        code is not None
        and code.co_name == name
        and code.co_filename == home
        and module.partition(".")[0] == library
    )


def _below_ours(function: Any) -> Any:
    """What is under descriptors and our own wrappers; any other wrapper is seen as foreign."""
    while True:
        if isinstance(function, staticmethod | classmethod):
            function = function.__func__
        elif isinstance(function, property):
            function = function.fget
        elif isinstance(function, functools.cached_property):
            function = function.func
        elif isinstance(function, wrapt.FunctionWrapper | wrapt.BoundFunctionWrapper):
            wrapper = function._self_wrapper
            if not (getattr(wrapper, "__module__", "") or "").startswith("ayo_"):
                return wrapper
            function = function.__wrapped__
        else:
            return function

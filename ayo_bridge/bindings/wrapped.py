"""Functions of libraries with wrappers around them: for everybody else what they were."""

from __future__ import annotations

import copy
import importlib
import operator
from typing import Any

import wrapt


class WrappedMethod(wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]
    """What a wrapped function is on an object or a class. Copied and pickled as a method is."""

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        owner, name = self._own()
        return self if owner is None else getattr(copy.deepcopy(owner, memo), name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        owner, name = self._own()
        return _reduced(self) if owner is None else (getattr, (owner, name))

    def _own(self) -> tuple[Any, str]:
        """Whose method it is, and how that is called; ``None``: it is a function of a class."""
        return getattr(self.__wrapped__, "__self__", None), self.__name__


class WrappedFunction(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """A function that was wrapped. Copied and pickled as a function is: by its name.

    ``_self_ayo_inherited`` says whether its class had it from a base (bindings keep it here).
    """

    __bound_function_wrapper__ = WrappedMethod
    _self_ayo_inherited: bool

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _reduced(self)


def _reduced(function: Any) -> Any:
    return _named, (function.__module__, function.__qualname__)


def _named(module: str, name: str) -> Any:
    """What a process that reads a pickled function has under its name."""
    return operator.attrgetter(name)(importlib.import_module(module))


__all__ = ["WrappedFunction", "WrappedMethod"]

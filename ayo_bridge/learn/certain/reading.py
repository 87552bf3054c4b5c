"""Reads names and attributes as they stand, and runs no code of anybody's for it."""

from __future__ import annotations

import builtins
import functools
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from enum import EnumType
from itertools import islice
from types import (
    BuiltinFunctionType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, Final

from ayo_bridge.lift.asking import ABSENT, Absent

SAFE_METHODS: Final = frozenset(
    (
        *(name for name in dir(str) if not name.startswith("_")),
        *("append", "extend", "copy", "items", "keys", "values", "get"),
    )
)
"""Methods of texts, and of lists and dictionaries that are read or grow at their end. Nobody names
so what changes for whom is asked."""
_SAFE_BUILTINS: Final = frozenset(
    (
        *("abs", "all", "any", "bool", "dict", "divmod", "enumerate", "float", "frozenset", "hash"),
        *("int", "isinstance", "len", "list", "max", "min", "print", "range", "repr", "reversed"),
        *("round", "set", "sorted", "str", "sum", "tuple", "type", "zip"),
    )
)
_PLAIN: Final = (
    *(str, bytes, int, float, bool, type(None), list, tuple, dict, set, frozenset, range),
    Absent,
)
_SAFE_MODULES: Final = ("json", "math", "re", "textwrap")
_FEW: Final = 64
"""Nothing is made of more parts than so many."""
_DESCRIBES: Final = ("__get__", "__set__", "__delete__")


def attribute(obj: Any, name: str) -> Any:
    """An attribute of an object, class or module; :data:`ABSENT` where code would have to run.

    Properties, ``__getattr__`` and descriptors are not asked: who they give may depend on anything.
    """
    kind = type(obj)
    if kind is ModuleType:
        return vars(obj).get(name, ABSENT)
    if isinstance(obj, type):
        if kind is EnumType:
            return vars(obj)["_member_map_"].get(name, ABSENT)
        if kind is not type:
            return ABSENT
        return _of_class(obj, name, obj)
    reads: object = kind.__getattribute__
    if reads is not object.__getattribute__:
        return ABSENT
    of_class = _found(kind, name)
    if of_class is not ABSENT and _takes_over(of_class):
        if type(of_class) is MemberDescriptorType:
            try:
                return of_class.__get__(obj, kind)
            except AttributeError:
                return ABSENT
        return ABSENT
    own = getattr(obj, "__dict__", None)
    if type(own) is dict and name in own:
        return own[name]
    if isinstance(of_class, FunctionType):
        return MethodType(of_class, obj)
    return _of_class(kind, name, kind)


def item(held: Any, key: Any) -> Any:
    """An item of a dictionary by a text or number; :data:`ABSENT` where code may have to run."""
    plain = type(held) is dict and type(key) in (str, int)
    return held.get(key, ABSENT) if plain else ABSENT


def _of_class(kind: type, name: str, owner: type) -> Any:
    value = _found(kind, name)
    if isinstance(value, staticmethod):
        return value.__func__
    if isinstance(value, classmethod):
        return MethodType(value.__func__, owner) if callable(value.__func__) else ABSENT
    if isinstance(value, FunctionType):
        return value
    return ABSENT if any(hasattr(type(value), each) for each in _DESCRIBES) else value


def _found(kind: type, name: str) -> Any:
    for base in kind.__mro__:
        if name in vars(base):
            return vars(base)[name]
    return ABSENT


def _takes_over(value: object) -> bool:
    """Whether a class's attribute comes before an instance's."""
    return any(hasattr(type(value), each) for each in ("__set__", "__delete__"))


def global_of(space: Mapping[str, Any], name: str) -> Any:
    """A global or builtin name."""
    if name in space:
        return space[name]
    return vars(builtins).get(name, ABSENT)


def cells_of(function: FunctionType) -> dict[str, Any]:
    """What the cells around a function hold now."""
    held: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            held[name] = cell.cell_contents
        except ValueError:
            held[name] = ABSENT  # Not assigned yet.
    return held


def parameters_of(
    function: FunctionType,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    whole: bool = True,
) -> dict[str, Any]:
    """What the parameters of a function stand for in a call.

    Args:
        whole: whether these are all arguments: then defaults stand for the others.
    """
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    every = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    known: dict[str, Any] = dict.fromkeys(every, ABSENT)
    if whole:
        defaults = function.__defaults__ or ()
        known.update(zip(names[len(names) - len(defaults) :], defaults, strict=True))
        known.update(function.__kwdefaults__ or {})
    known.update(zip(names, args, strict=False))
    known.update((name, value) for name, value in kwargs.items() if name in known)
    return known


def is_harmless(value: Any, *, named: bool) -> bool:
    """Whether calling something changes nothing for anybody.

    Args:
        named: whether it is given anything by name, which may be a function.
    """
    if named:
        return False
    name = str(getattr(value, "__name__", ""))
    if isinstance(value, BuiltinFunctionType | type):
        return name in _SAFE_BUILTINS and vars(builtins)[name] is value
    if isinstance(value, FunctionType):
        module = value.__module__
        return module in _SAFE_MODULES and vars(sys.modules[module]).get(name) is value
    return False


def is_plain(value: object) -> bool:
    """Whether looking at a value, or going through it, runs no code of anybody's."""
    return type(value) in _PLAIN or isinstance(value, type)


def is_nobodys(obj: object) -> bool:
    """Whether no framework knows anything of a value: it is plain, a builtin, or not known."""
    if isinstance(obj, type):
        return obj.__module__ == "builtins"
    return type(obj) in _PLAIN or type(obj) is BuiltinFunctionType


def has_harmless(obj: object, method: str) -> bool:
    """Whether a method of a value is one that changes nothing for anybody."""
    if type(obj) is ContextVar:
        return method == "get"
    if type(obj) is list and method in ("append", "extend") and not _is_of_plain(obj):
        return False
    return type(obj) in (str, list, dict, tuple, set, Absent) and method in SAFE_METHODS


def _is_of_plain(values: list[Any]) -> bool:
    """Whether a list that grows is none of what something is made of."""
    return bool(values) and all(map(is_plain, islice(values, _FEW)))


def of_object(value: Any) -> Any:
    """What runs when an object is called: its ``__call__``; anything else is itself."""
    call = ABSENT if isinstance(value, type) else _found(type(value), "__call__")
    return MethodType(call, value) if type(call) is FunctionType else value


def innermost(function: Any) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """A function under partials and methods, and what these give it first."""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    while True:
        if type(function) is functools.partial:
            args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
            function = function.func
        elif type(function) is MethodType:
            args, function = (function.__self__, *args), function.__func__
        else:
            return function, args, kwargs

"""Functions that only compute: no engine can be reached from what they refer to."""

from __future__ import annotations

import builtins
import dis
import sys
from collections.abc import Iterator
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    ModuleType,
)
from typing import Any, Final

_ATOMS: Final = (str, int, float, complex, bool, bytes, type(None))
_REACHING: Final = frozenset(
    {
        *("eval", "exec", "compile", "__import__", "globals", "locals", "vars"),
        *("builtins", "gc", "importlib", "inspect", "runpy", "sys"),
    }
)
"""Builtins and modules by which anything can be reached."""
_DEPTH: Final = 4


def only_computes(function: Any, depth: int = _DEPTH) -> bool:
    """Whether a function uses nothing but plain values, builtins and the standard library.

    What it cannot be seen to do counts as more. What its arguments bring is theirs.
    """
    if isinstance(function, BuiltinFunctionType | MethodDescriptorType):
        return isinstance(getattr(function, "__self__", None), ModuleType | type(None) | type)
    if type(function) is not FunctionType or vars(function) or depth == 0:
        return False
    codes = list(_codes(function.__code__))
    if any(i.opname.startswith("IMPORT") for one in codes for i in dis.get_instructions(one)):
        return False
    names = {name for one in codes for name in one.co_names}
    if names & _REACHING:
        return False
    try:
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # One that is not filled yet.
        return False
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    used = [function.__globals__[name] for name in names if name in function.__globals__]
    return all(_is_plain(value, function, depth) for value in (*cells, *defaults, *used))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _is_plain(value: Any, function: Any, depth: int) -> bool:
    if value is function or type(value) in _ATOMS:
        return True
    if type(value) in (tuple, frozenset):
        return all(_is_plain(item, function, depth) for item in value)
    if isinstance(value, ModuleType):
        return value.__name__ not in _REACHING and _is_standard(value.__name__)
    if isinstance(value, type):
        return _is_standard(value.__module__)
    if isinstance(value, FunctionType) and _is_standard(value.__module__):
        return True
    return only_computes(value, depth - 1)


def _is_standard(module: str) -> bool:
    root = module.partition(".")[0]
    return root == builtins.__name__ or (root != "__main__" and root in sys.stdlib_module_names)

"""Functions that only compute: no engine can be reached from what they refer to."""

from __future__ import annotations

import builtins
import dis
import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, CodeType, MethodDescriptorType, ModuleType
from typing import Any, Final

_ATOMS: Final = (str, int, float, bool, bytes, type(None), tuple, frozenset)
_DEPTH: Final = 4


def only_computes(function: Any, depth: int = _DEPTH) -> bool:
    """Whether a function uses nothing but plain values, builtins and the standard library.

    What it cannot be seen to do counts as more.
    """
    if isinstance(function, BuiltinFunctionType | MethodDescriptorType):
        return True
    code = getattr(function, "__code__", None)
    if code is None or depth == 0 or getattr(function, "__self__", None) is not None:
        return False
    codes = list(_codes(code))
    if any(i.opname.startswith("IMPORT") for one in codes for i in dis.get_instructions(one)):
        return False
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    names = {name for one in codes for name in one.co_names}
    used = [function.__globals__[name] for name in names if name in function.__globals__]
    return all(_is_plain(value, function, depth) for value in (*cells, *used))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _is_plain(value: Any, function: Any, depth: int) -> bool:
    if value is function or type(value) in _ATOMS:
        return True
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    root = name.partition(".")[0] if isinstance(name, str) else ""
    if root == builtins.__name__ or (root != "__main__" and root in sys.stdlib_module_names):
        return True
    return only_computes(value, depth - 1)

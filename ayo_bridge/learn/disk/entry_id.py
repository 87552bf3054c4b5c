"""Which program a template was learned of: equal in every process that runs it again."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from types import CodeType
from typing import Any, Final

from ayo_bridge.learn.tracing.sites import body_digest
from ayo_bridge.lift.hooked import below

_DIGEST_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class EntryId:
    """What a user calls.

    Args:
        name: module and qualified name, for people.
        code: a digest of its code and of where its program lies, so that neither a changed function
            nor one of the same name elsewhere is taken for it.
    """

    name: str
    code: str


def entry_of(function: Callable[..., Any], shape: str = "") -> EntryId:
    """A function, a method or a partial of one as an entry.

    ``shape`` tells apart what is put together differently; it has to be equal in every process.
    """
    function = _plain(function)
    module = str(getattr(function, "__module__", None) or "")
    named = str(getattr(function, "__qualname__", None) or type(function).__qualname__)
    digest = blake2b(_place(module).encode(), digest_size=_DIGEST_BYTES)
    for code in _codes(function):
        digest.update(body_digest(code).encode())
    digest.update(shape.encode())
    return EntryId(f"{module}.{named}" if module else named, digest.hexdigest())


def entry_of_method(kind: type, method: str, shape: str = "") -> EntryId:
    """A method that a class may have from a framework: named by that class.

    Its program is the running one: a framework's class is used by many. ``shape`` as above.
    """
    found = entry_of(getattr(kind, method), f"{_place('__main__')}\n{shape}")
    return EntryId(f"{kind.__module__}.{kind.__qualname__}.{method}", found.code)


def _plain(function: Any) -> Any:
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__func__"):
            function = function.__func__
        else:
            return function


def _codes(function: Any) -> Iterator[CodeType]:
    """The code of a function and of those that it wraps."""
    for _ in range(8):  # A wrapper of itself would have no end.
        function = below(function)
        if isinstance(code := getattr(function, "__code__", None), CodeType):
            yield code
        if (function := getattr(function, "__wrapped__", None)) is None:
            return


def _place(module: str) -> str:
    """Where a module lies; a notebook or console, which has no file, is where it was started."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return os.path.realpath(file) if isinstance(file, str) else os.getcwd()

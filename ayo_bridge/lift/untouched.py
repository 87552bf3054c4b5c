"""Whether a call has changed anything that it reaches: then it is not run a second time.

What a function or an object reaches is gone through before a call and after it: the names, cells
and defaults of functions, the attributes of objects, what containers hold. Clients of engines are
not gone into, nor is the code of libraries; of whatever is not known it is not said that it stays
as it was.
"""

from __future__ import annotations

import datetime
import dis
import functools
import re
import sys
from collections import deque
from collections.abc import Collection, Hashable, Iterator, Sequence
from itertools import islice
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GenericAlias,
    MethodType,
    ModuleType,
    UnionType,
)
from typing import Any, Final, NamedTuple
from uuid import UUID

from ayo_bridge.lift.own_code import OURS, is_own, is_standard
from ayo_bridge.lift.shows import ATOMS, Shows
from ayo_bridge.lift.stores import names as stores

_MOST: Final = 20_000
"""Objects that are gone through; of what reaches more it is not known."""
_LARGE: Final = 512
"""Of a container with more than that, an index of texts, its size says whether it has changed."""
_FIXED: Final = (
    *(*ATOMS, type, ModuleType, BuiltinFunctionType, CodeType, GenericAlias, UnionType),
    *(re.Pattern, range, slice, property, staticmethod, classmethod, PurePath, UUID),
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo),
)
_HELD: Final = (list, tuple, set, frozenset, deque)
_ENGINES: Final = frozenset(
    {
        *("httpx", "httpx2", "httpcore", "openai", "torch", "transformers", "numpy"),
        *("sentence_transformers", "tokenizers", "tiktoken", "tenacity", "ayo_bridge", "wrapt"),
        *("pydantic", "pydantic_core", "pydantic_settings", "typing", "typing_extensions", "abc"),
        *("threading", "_thread", "asyncio", "contextvars", "weakref", "functools", "operator"),
        *("_contextvars", "_asyncio", "_weakref", "inspect", "dataclasses", "nltk", "builtins"),
        *("datetime", "decimal", "fractions", "json", "string", "time", "zoneinfo", "collections"),
    }
)
"""Libraries whose objects ask engines, or hold nothing that a call is made of."""
_REFUSED: Final = {
    **dict.fromkeys(("print", "input", "stdout", "stderr", "warnings"), "it prints"),
    **dict.fromkeys(("exec", "eval", "__import__"), "it runs code that it makes"),
    **dict.fromkeys(("write", "writelines"), "it writes"),
    "logging": "it writes to a log",
    **dict.fromkeys(("run_in_executor", "concurrent", "threading"), "it starts threads"),
    **dict.fromkeys(("ThreadPoolExecutor", "Thread", "ProcessPoolExecutor"), "it starts threads"),
    **dict.fromkeys(("multiprocessing", "subprocess"), "it starts processes"),
    **dict.fromkeys(("random", "secrets"), "it draws random numbers"),
    **dict.fromkeys(("socket", "requests", "urllib", "aiohttp", "urllib3"), "it asks other hosts"),
    **dict.fromkeys(("shutil", "sqlite3", "smtplib", "setattr", "delattr"), "it writes"),
}
"""Names in a function's code for what is not done twice."""
_GONE_INTO: Final = frozenset({"builtins", "abc", "typing", "pydantic", "types", "collections"})
"""Libraries from which classes may be derived that are gone into."""


class _Unknown(Exception):
    """It cannot be said whether a call changes what it reaches."""


class Untouched:
    """What some objects were like at one moment."""

    def __init__(self, roots: Sequence[object], apart: Collection[int], shows: Shows) -> None:
        self._roots, self._apart, self._shows = tuple(roots), apart, shows
        self._before = _walk(roots, apart, shows)

    @classmethod
    def since(
        cls, roots: Sequence[object], apart: Sequence[object], shows: Shows
    ) -> Untouched | str:
        """From now on; or why that cannot be told.

        ``shows`` knows the framework. Of the objects ``apart`` it does not matter what becomes of
        them.
        """
        try:
            return cls(roots, frozenset(map(id, apart)), shows)
        except _Unknown as unknown:
            return str(unknown)

    def changed(self) -> str:
        """What has changed since; empty if nothing has."""
        try:
            now = _walk(self._roots, self._apart, self._shows)
        except _Unknown as unknown:
            return str(unknown)
        for key, seen in self._before.items():
            after = now.get(key)
            if after is None or after.state != seen.state:
                return f"it changes a {type(seen.value).__name__} that it keeps"
        return ""


class _Seen(NamedTuple):
    value: object
    """Held, so that nothing else has its id."""
    state: Hashable


def _walk(roots: Sequence[object], apart: Collection[int], shows: Shows) -> dict[int, _Seen]:
    seen: dict[int, _Seen] = {}
    level = [root for root in roots if not isinstance(root, ATOMS)]
    while level:
        further: list[object] = []
        for value in level:
            if id(value) in seen or id(value) in apart:
                continue
            if len(seen) >= _MOST:
                raise _Unknown("it reaches too much to see whether it changes that")
            if act := shows.acts(value):
                raise _Unknown(act)
            parts, state = ((), None) if shows.listens(value) else _looked_at(value, shows)
            seen[id(value)] = _Seen(value, state)
            further += [part for part in parts if not isinstance(part, ATOMS)]
        level = further
    return seen


def _looked_at(value: Any, shows: Shows) -> tuple[Sequence[object], Hashable]:
    """What a value holds, and what it is like."""
    kind = type(value)
    if isinstance(value, ModuleType):
        return (), None
    if isinstance(value, type):
        return (() if _is_code_known(value.__module__, shows) else list(_functions(value))), None
    if isinstance(value, _FIXED):
        return (), None
    if isinstance(value, FunctionType):
        known = _is_code_known(value.__module__, shows)
        parts = [] if known else list(_function(value, shows))
        return parts, _tokens(parts)
    if isinstance(value, MethodType):
        return (value.__self__, value.__func__), None
    if isinstance(value, functools.partial):
        return (value.func, *value.args, *value.keywords.values()), None
    if isinstance(value, functools._lru_cache_wrapper):
        return (value.__wrapped__,), value.cache_info()
    if isinstance(value, dict):
        parts = [each for pair in value.items() for each in pair]
        parts += _attributes(value).values()
        return _contents(parts, len(value))
    if isinstance(value, _HELD):
        return _contents([*islice(value, _LARGE + 1), *_attributes(value).values()], len(value))
    root = kind.__module__.partition(".")[0]
    if root == "logging":
        raise _Unknown("it writes to a log")
    if root in _ENGINES or stores.find(value) is not None:
        return (), None
    if not all(_is_gone_into(cls.__module__, shows) for cls in kind.__mro__):
        raise _Unknown(f"it uses a {kind.__name__}, of which nothing is known")
    own = _attributes(value)
    parts = [*own.values(), kind]
    return parts, (tuple(own), _tokens(parts))


def _is_gone_into(module: str, shows: Shows) -> bool:
    """Whether all that there is to objects of a class in this module are their attributes."""
    root = module.partition(".")[0]
    return root in _GONE_INTO or root.startswith(shows.packages) or is_own(module)


def _contents(parts: Sequence[object], size: int) -> tuple[Sequence[object], Hashable]:
    if len(parts) > 2 * _LARGE:
        return (), size
    return parts, (size, _tokens(parts))


def _tokens(parts: Sequence[object]) -> tuple[Hashable, ...]:
    return tuple((type(each), each) if isinstance(each, ATOMS) else id(each) for each in parts)


def _attributes(value: Any) -> dict[str, Any]:
    """What an object keeps, in its ``__dict__`` and in slots; runs no code of its class."""
    found: dict[str, Any] = {}
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name in ("__dict__", "__weakref__"):
                continue
            try:
                found[name] = object.__getattribute__(value, name)
            except AttributeError:
                continue
    try:
        found.update(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        return found
    return found


def _function(function: FunctionType, shows: Shows) -> Iterator[object]:
    """What a function reaches by its names, cells and defaults.

    Raises:
        _Unknown: by its code it does what is not done twice.
    """
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # Not filled yet.
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    names, imports = _used(function.__code__)
    for name in sorted(names & _REFUSED.keys()):
        raise _Unknown(_REFUSED[name])
    reached = [function.__globals__.get(name) for name in sorted(names)]
    for name in imports:
        if name not in sys.modules:
            raise _Unknown("it imports what is not imported yet")
        reached.append(sys.modules[name])
    for value in reached:
        if isinstance(value, ModuleType):
            if not _is_code_known(value.__name__, shows):
                yield from (vars(value)[each] for each in sorted(names) if each in vars(value))
        elif value is not None:
            yield value
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None:
        yield wrapped


@functools.lru_cache(maxsize=4096)
def _used(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a function's code uses, and the modules that it imports."""
    names, imports = set(code.co_names), set[str]()
    for each in dis.get_instructions(code):
        if each.opname == "IMPORT_NAME":
            imports.add(str(each.argval))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner, more = _used(constant)
            names |= inner
            imports |= more
    return frozenset(names), frozenset(imports)


def _functions(cls: type) -> Iterator[object]:
    for each in vars(cls).values():
        each = each.__func__ if isinstance(each, staticmethod | classmethod) else each
        if isinstance(each, property):
            yield from (part for part in (each.fget, each.fset) if part is not None)
        elif isinstance(each, FunctionType) or not hasattr(each, "__get__"):
            yield each
    yield from cls.__bases__


def _is_code_known(module: str | None, shows: Shows) -> bool:
    """Whether a module's code keeps nothing that a call would change: so are libraries known.

    Code of any other library is gone into, as the program's own is.
    """
    root = (module or "builtins").partition(".")[0]
    known = is_standard(module) or root in OURS or root in _ENGINES
    return known or root.startswith(shows.packages)


__all__ = ["Untouched"]

"""Any value as plain data that can be compared: what varies by nature is named, not dropped."""

from __future__ import annotations

import dataclasses
import enum
import re
import types
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SERVER_ID = re.compile(r"\b(chatcmpl|cmpl|call|resp|req)-[\w-]+")
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
_BY_NATURE = frozenset({"timestamp", "created", "callback_manager", "date", "elapsed"})
_OWN_IDS = frozenset({"id", "id_", "span_id", "request_id"})
_DEPTH = 16
_NUMBERS = frozenset({type(None), bool, int, float})
_ATOMS = _NUMBERS | {str}

Plain = Any


class Names:
    """Generated ids, numbered in the order in which they appear (or all alike)."""

    def __init__(self, *, numbered: bool = True) -> None:
        self._numbers: dict[str, int] | None = {} if numbered else None

    def text(self, text: str) -> str:
        """``text`` with every generated id replaced."""
        # Most texts have neither; asking first spares nine of ten searches.
        if "-" in text:
            text = _UUID.sub(self._name, text)
            text = _SERVER_ID.sub(r"\1-<id>", text)
        return _ADDRESS.sub("0x", text) if "0x" in text else text

    def _name(self, found: re.Match[str]) -> str:
        if self._numbers is None:
            return "<id>"
        return f"<id {self._numbers.setdefault(found[0], len(self._numbers))}>"


def renamed(value: Plain, names: Names) -> Plain:
    """Plain data with its ids named; done last, so that one numbering spans a whole record."""
    if isinstance(value, str):
        return names.text(value)
    if isinstance(value, dict):
        return {names.text(key): renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        if _NUMBERS.issuperset(map(type, value)):  # Embeddings: most of what there is.
            return value
        return [renamed(item, names) for item in value]
    return value


def plain(value: object, depth: int = _DEPTH) -> Plain:
    """A snapshot in dicts, lists, strings and numbers, with the types kept as names.

    Sequence types, float widths and enum classes count: a caller could see them.
    """
    if type(value) in _ATOMS:
        return value
    if depth == 0:
        return f"<{_name(type(value))}>"
    # A proxy says that it is of the class of what it stands for.
    return _form((type(value), value.__class__))(value, depth - 1)


@cache
def _form(classes: tuple[type, type]) -> Callable[[Any, int], Plain]:
    """How values of a class are shown: found once, since most of them are of a few classes."""

    def known(*kinds: type) -> bool:
        return any(issubclass(cls, kinds) for cls in classes)

    forms: list[tuple[tuple[Any, ...], Callable[[Any, int], Plain]]] = [
        ((enum.Enum,), lambda value, _: f"<{_name(type(value))}.{value.name}>"),
        ((type,), lambda value, _: f"<class {_name(value)}>"),
        ((str, bytes, bytearray), _text),
        ((BaseException,), error),
        ((Mapping,), _mapping),
        ((list, tuple), _sequence),
        ((set, frozenset), _set),
        (
            (types.FunctionType, types.MethodType, types.BuiltinFunctionType),
            lambda value, _: f"<function {value.__module__}.{value.__qualname__}>",
        ),
        ((partial,), lambda value, d: ["partial", plain(value.func, d), plain(value.args, d)]),
        # The class counts: frameworks ask isinstance(x, Generator).
        (
            (Iterator, AsyncIterator, types.CoroutineType),
            lambda value, _: f"<{_name(type(value))}>",
        ),
    ]
    return next((form for kinds, form in forms if known(*kinds)), _object)


def _text(value: Any, depth: int) -> Plain:
    text = str.__str__(value) if isinstance(value, str) else value.hex()
    return {_name(type(value)): text}


def _mapping(value: Any, depth: int) -> Plain:
    return _typed(value, dict, {str(k): plain(v, depth) for k, v in value.items()})


def _sequence(value: Any, depth: int) -> Plain:
    flat = _ATOMS.issuperset(map(type, value))
    return _typed(value, list, [*value] if flat else [plain(item, depth) for item in value])


def _set(value: Any, depth: int) -> Plain:
    return {_name(type(value)): sorted((plain(v, depth) for v in value), key=repr)}


def error(value: BaseException | None, depth: int = _DEPTH) -> Plain:
    """An exception with all that a handler could look at."""
    if value is None:
        return None
    attributes = {k: v for k, v in vars(value).items() if k not in ("event_added", "request_id")}
    return {
        "error": _name(type(value)),
        "args": plain(value.args, depth - 1),
        "text": str(value),
        "attributes": plain(attributes, depth - 1),
        "cause": error(value.__cause__, depth - 1),
        "context": _name(type(value.__context__)),
    }


def _object(value: Any, depth: int) -> Plain:
    name = _name(type(value))
    if hasattr(type(value), "model_fields"):  # First: asking it for what it lacks is slow.
        shown = {**vars(value), **(getattr(value, "__pydantic_extra__", None) or {})}
        return _fields(name, value, shown, depth)
    if hasattr(value, "status_code") and hasattr(value, "headers"):
        return {
            name: {
                "status": value.status_code,
                "content": plain(value.content),
                "headers": sorted(_headers(value.headers)),
            }
        }
    if hasattr(value, "url") and hasattr(value, "headers") and hasattr(value, "method"):
        return {name: [value.method, str(value.url), sorted(_headers(value.headers))]}
    if hasattr(type(value), "__array__") or hasattr(value, "tolist"):
        return {f"{name}:{getattr(value, 'dtype', '')}": value.tolist()}
    if dataclasses.is_dataclass(value):
        shown = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return _fields(name, value, shown, depth)
    return f"<{name}>"


def _fields(name: str, owner: Any, shown: Mapping[str, Any], depth: int) -> Plain:
    return {name: {k: plain(v, depth) for k, v in shown.items() if not _varies(k, owner)}}


def _headers(headers: Any) -> list[str]:
    skipped = ("date", "x-request-id", "content-length")
    return [f"{k}: {v}" for k, v in headers.multi_items() if k.lower() not in skipped]


def _varies(field: str, owner: object) -> bool:
    if field in _BY_NATURE:
        return True
    module = type(owner).__module__
    return field in _OWN_IDS and ("instrumentation" in module or module.startswith("openai."))


def _typed(value: object, expected: type, content: Plain) -> Plain:
    return content if type(value) is expected else {_name(type(value)): content}


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")

"""Any value as plain data that can be compared: what varies by nature is named, not dropped."""

from __future__ import annotations

import dataclasses
import enum
import re
import types
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
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
    inner = depth - 1
    if isinstance(value, enum.Enum):
        return f"<{_name(type(value))}.{value.name}>"
    if isinstance(value, type):
        return f"<class {_name(value)}>"
    if isinstance(value, str | bytes | bytearray):
        text = str.__str__(value) if isinstance(value, str) else value.hex()
        return {_name(type(value)): text}
    if isinstance(value, BaseException):
        return error(value, inner)
    if isinstance(value, Mapping):
        return _typed(value, dict, {str(k): plain(v, inner) for k, v in value.items()})
    if isinstance(value, list | tuple):
        flat = _ATOMS.issuperset(map(type, value))
        return _typed(value, list, [*value] if flat else [plain(item, inner) for item in value])
    if isinstance(value, set | frozenset):
        return {_name(type(value)): sorted((plain(v, inner) for v in value), key=repr)}
    if isinstance(value, types.FunctionType | types.MethodType | types.BuiltinFunctionType):
        return f"<function {value.__module__}.{value.__qualname__}>"
    if isinstance(value, partial):
        return ["partial", plain(value.func, inner), plain(value.args, inner)]
    if isinstance(value, Iterator | AsyncIterator | types.CoroutineType):
        # The class counts: frameworks ask isinstance(x, Generator).
        return f"<{_name(type(value))}>"
    return _object(value, inner)


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
    elif hasattr(type(value), "model_fields"):
        shown = {**vars(value), **(getattr(value, "__pydantic_extra__", None) or {})}
    else:
        return f"<{name}>"
    return {name: {k: plain(v, depth) for k, v in shown.items() if not _varies(k, value)}}


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

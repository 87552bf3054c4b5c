"""What a call is given: a client among it belongs to this call, and perhaps to its tenant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any, Final

MOST: Final = 400
DEEPEST: Final = 6
_PLAIN: Final = (str, bytes, int, float, bool, type(None), type, ModuleType, FunctionType)


def reach(values: Iterable[object]) -> frozenset[int]:
    """The ids of the objects that are reached from some values, the nearest first, at most 400.

    Goes through containers and the attributes that objects keep in their ``__dict__``; runs no code
    of theirs.
    """
    return frozenset(_reached(values))


def shape_of(obj: object) -> str:
    """The classes of what is reached from an object, and its functions.

    Equal in every process that makes it alike.
    """
    reached = [*_reached([obj]).values()]
    parts = {part for each in reached for part in _parts(each) if isinstance(part, FunctionType)}
    named: set[Any] = {*map(type, reached), *parts}
    return "\n".join(sorted({f"{each.__module__}.{each.__qualname__}" for each in named}))


def _reached(values: Iterable[object]) -> dict[int, object]:
    seen: dict[int, object] = {}
    level = [value for value in values if not issubclass(type(value), _PLAIN)]
    for _ in range(DEEPEST):
        found: list[object] = []
        for value in level:
            if id(value) in seen:
                continue
            if len(seen) >= MOST:
                return seen
            seen[id(value)] = value
            found += [part for part in _parts(value) if not issubclass(type(part), _PLAIN)]
        level = found
    return seen


def _parts(value: Any) -> Iterator[object]:
    kind = type(value)
    if kind is dict:
        yield from list(value.values())
    elif kind in (list, tuple, set, frozenset):
        yield from list(value)
    else:
        try:
            own = object.__getattribute__(value, "__dict__")
        except AttributeError:
            own = {}
        if type(own) is dict:
            yield from list(own.values())
        bound = getattr(value, "__self__", None) if kind.__name__ == "method" else None
        if bound is not None:
            yield bound

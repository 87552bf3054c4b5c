"""Which methods of frameworks' classes are ours, and what they were before."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Final, NamedTuple


class _Kept(NamedTuple):
    whose: weakref.ref[Any]
    before: Any


_below: Final[dict[int, _Kept]] = {}
"""By the method's identity, not by what it says of itself: wrappers copy that, equality too."""


def keep_below(method: Callable[..., Any], before: Any) -> None:
    """Remember what stood in a class's namespace where ``method`` is put."""
    key = id(method)
    _below[key] = _Kept(weakref.ref(method, lambda _: _below.pop(key, None)), before)


def below(function: Any) -> Any:
    """What a method of ours was before; any other function is itself."""
    kept = _below.get(id(function))
    return kept.before if kept is not None and kept.whose() is function else function

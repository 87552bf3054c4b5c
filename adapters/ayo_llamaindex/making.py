"""What LlamaIndex's makers make: what an object asks by follows from what it is made of.

Indices, retrievers, engines and synthesizers are often made in the call that asks them. Written for
llama-index-core 0.14.25.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from types import FunctionType
from typing import Any, Final

from ayo_bridge.lift.asking import ABSENT, Given, Making, stands_for
from ayo_bridge.lift.recognise import class_of, loaded
from ayo_llamaindex.always_used import functions_of, of_settings
from ayo_llamaindex.intact import intact
from ayo_llamaindex.known import overridden, replaced
from ayo_llamaindex.maker_arguments import Arguments, UnknownError
from ayo_llamaindex.maker_rows import METHOD, ROWS, Row

_SETTINGS: Final = ("llama_index.core.settings", "Settings")
_DIFFERS: Final = (AttributeError, KeyError, TypeError, ValueError)
"""Raised where something is not as this version is known to be, or the call is a mistake."""


def makes(obj: Any, steps: Sequence[str], given: Given) -> Making | None:
    """What a call of a maker comes to; ``None``: that is not known."""
    found = _found(obj, steps)
    if found is None:
        return None
    owner, maker, row = found
    if "intact" not in given.verdicts:
        given.verdicts["intact"] = intact()
    try:
        known = given.verdicts["intact"] and _is_own(owner, obj, given)
        return row(obj, _arguments(maker, given)) if known else None
    except (UnknownError, *_DIFFERS):
        return None


def reads(obj: Any, name: str) -> Any:
    """``Settings.llm`` and ``Settings.embed_model``, if they are there."""
    settings = loaded(*_SETTINGS)
    if name not in ("llm", "embed_model") or settings is None or obj is not settings:
        return ABSENT
    held = of_settings(f"_{name}")
    told = Arguments({}, {}).may_be_told(held)
    return held if held is not None and held is not obj and told else ABSENT


def _found(obj: Any, steps: Sequence[str]) -> tuple[Any, Callable[..., Any], Row] | None:
    """Whose maker is called, the maker, and its row."""
    if len(steps) > 1:
        return None
    owner: Any = obj
    method = steps[0] if steps else ""
    if not isinstance(obj, type | FunctionType):
        owner, method = stands_for(obj) or class_of(obj), f"{METHOD}{method}"
    row = ROWS.get((owner.__module__, owner.__name__, method))
    if row is None or loaded(owner.__module__, owner.__name__) is not owner:
        return None
    return owner, getattr(owner, method.lstrip(METHOD)) if method else owner, row


def _is_own(owner: Any, obj: object, given: Given) -> bool:
    """Whether a maker is as LlamaIndex wrote it."""
    if not isinstance(owner, type):
        return True  # A function, which its module has.
    key = "own", owner
    if key not in given.verdicts:
        given.verdicts[key] = replaced(owner, "__init__", *functions_of(owner)) is None
    made = obj is owner or stands_for(obj) is not None
    return given.verdicts[key] and (made or overridden(obj, *functions_of(owner)) is None)


def _arguments(maker: Callable[..., Any], given: Given) -> Arguments:
    """The arguments of a call by their names."""
    signature, first = _signature(maker)
    bound = signature.bind(*first, *given.args, **given.kwargs)
    values: dict[str, Any] = {}
    for name, value in list(bound.arguments.items())[len(first) :]:
        by_name = signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
        values |= value if by_name else {name: value}
    return Arguments({n: v for n, v in values.items() if v is not None}, given.verdicts)


@cache
def _signature(maker: Callable[..., Any]) -> tuple[inspect.Signature, tuple[Any, ...]]:
    """Its signature, and what stands for the object where it takes one."""
    function = maker.__init__ if isinstance(maker, type) else maker  # type: ignore[misc]
    signature = inspect.signature(function)
    return signature, (None,) if next(iter(signature.parameters), "") == "self" else ()

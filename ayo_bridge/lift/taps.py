"""Taps: where a framework's own code tells the graph what it has made.

They wrap helpers that emit no events, and are pass-throughs without a scope. What a tap tells goes
to the guide of the scope; telling never breaks the original.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from ayo_bridge.bindings.binding import Wrapper
from ayo_bridge.runahead import current_scope
from ayo_bridge.seam import Hit

G = TypeVar("G")
Wrapped = Callable[..., Any]
Told = Callable[[Any, Any, dict[str, Any]], object]
"""Called with the guide, the object whose method runs, and the arguments by name."""
ToldOf = Callable[[Any, Any, dict[str, Any], Any], object]
"""The same, and what the method has returned."""


def guide_of(kind: type[G]) -> G | None:
    """The guide of the running call, if it is one of this framework."""
    scope = current_scope()
    guide = scope.guide if scope is not None else None
    return guide if isinstance(guide, kind) else None


def before(kind: type[Any], tell: Told) -> Wrapper:
    """A wrapper that tells of a call before it is made; coroutine functions included."""

    def wrapper(
        wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        guide = guide_of(kind)
        if guide is not None:
            _quietly(lambda: tell(guide, instance, _arguments(wrapped, args, kwargs)))
        return wrapped(*args, **kwargs)

    return wrapper


def after(kind: type[Any], tell: ToldOf) -> Wrapper:
    """A wrapper that tells of what a function has returned."""

    def wrapper(
        wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        result = wrapped(*args, **kwargs)
        _tell_of(kind, tell, wrapped, instance, args, kwargs, result)
        return result

    return wrapper


def after_async(kind: type[Any], tell: ToldOf) -> Wrapper:
    """A wrapper that tells of what a coroutine function has returned."""

    async def wrapper(
        wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        result = await wrapped(*args, **kwargs)
        _tell_of(kind, tell, wrapped, instance, args, kwargs, result)
        return result

    return wrapper


def _tell_of(
    kind: type[Any],
    tell: ToldOf,
    wrapped: Wrapped,
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    result: Any,
) -> None:
    guide = guide_of(kind)
    if guide is not None:
        _quietly(lambda: tell(guide, instance, _arguments(wrapped, args, kwargs), result))


def _quietly(step: Callable[[], object]) -> None:
    try:
        step()
    except Exception as error:
        scope = current_scope()
        if scope is not None:
            scope.note(f"a step could not be followed: {error!r}")


def _arguments(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Call arguments by name, extra keyword arguments among them.

    To bind a signature for every call would cost ten times as much.
    """
    return (
        {**dict(zip(_names(function.__func__), args, strict=False)), **kwargs} if args else kwargs
    )


@lru_cache(maxsize=64)
def _names(function: Wrapped) -> tuple[str, ...]:
    """The names of its positional parameters, without that of the object."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return tuple(parameter.name for parameter in parameters if parameter.kind in kinds)[1:]


def handed_over(
    kind: type[Any], find: Callable[[Any, Any, tuple[Any, ...]], Hit | None]
) -> Wrapper:
    """A wrapper of pure glue that was perhaps computed ahead in the calling thread.

    ``find`` is called with the guide, the object and the positional arguments.
    """

    def wrapper(
        wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        scope = current_scope()
        if scope is None or not scope.hands_over or kwargs:
            return wrapped(*args, **kwargs)
        guide = guide_of(kind)
        found = find(guide, instance, args) if guide is not None else None
        return found.value if found is not None else wrapped(*args)

    return wrapper

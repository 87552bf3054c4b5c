"""Taps: where a framework's own code tells what it has made.

They wrap functions that emit no events, and are pass-throughs without a scope. What a tap tells
goes to the guide of the scope, where the call is lifted, or as the value of a helper to its
follower, where it is learned. Telling never breaks the original.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final, TypeVar

from ayo_bridge.bindings.binding import Target, Wrapper
from ayo_bridge.runahead import current_scope
from ayo_bridge.seam import Answer, Follower, FoundItem, Hit

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
            quietly(lambda: tell(guide, instance, _arguments(wrapped, args, kwargs)))
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
        quietly(lambda: tell(guide, instance, _arguments(wrapped, args, kwargs), result))


def quietly(step: Callable[[], object]) -> None:
    """Follow a step of the original; what goes wrong in that is noted, and breaks nothing."""
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


# Helpers: functions of a framework whose results become values.

_MOST_TEXTS: Final = 500
"""Of one result: what is made of more is no prompt."""
_inside: Final[ContextVar[bool]] = ContextVar("ayo_bridge_inside_helper", default=False)


@dataclass(frozen=True, slots=True)
class Helper:
    """A function of a framework whose result is a value once the original has computed it.

    Args:
        module, function: where it is; ``function`` is dotted, and names the value.
        value: what a result says. Raises where it says nothing that could be a value.
        awaited: it is a coroutine function.
        asks: engines are asked inside of it. What else is computed inside of a helper that asks
            none is a part of its own value, and not told.
        when: whether a call with these keyword arguments is told.
        tap: tells the guide of the scope, too.
    """

    module: str
    function: str
    value: Callable[[Any], Answer]
    awaited: bool = False
    asks: bool = False
    when: Callable[[Mapping[str, Any]], bool] = lambda _: True
    tap: Wrapper | None = None

    def target(self) -> Target:
        """The function with its wrapper."""
        wrapper = self._wrap_async if self.awaited else self._wrap
        return Target(self.module, self.function, wrapper)

    def _wrap(
        self, wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        follower = _follower()
        if follower is None or not self.when(kwargs):
            return self._original(wrapped, instance, args, kwargs)
        token = _inside.set(not self.asks)
        try:
            result = self._original(wrapped, instance, args, kwargs)
        finally:
            _inside.reset(token)
        self._tell(follower, result)
        return result

    async def _wrap_async(
        self, wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        follower = _follower()
        if follower is None or not self.when(kwargs):
            return await self._original(wrapped, instance, args, kwargs)
        token = _inside.set(not self.asks)
        try:
            result = await self._original(wrapped, instance, args, kwargs)
        finally:
            _inside.reset(token)
        self._tell(follower, result)
        return result

    def _original(
        self, wrapped: Wrapped, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return (
            wrapped(*args, **kwargs)
            if self.tap is None
            else self.tap(wrapped, instance, args, kwargs)
        )

    def _tell(self, follower: Follower, result: Any) -> None:
        quietly(lambda: follower.helper(self.function, lambda: self.value(result)))


def _follower() -> Follower | None:
    scope = current_scope()
    return None if scope is None or _inside.get() else scope.follower


def texts(found: Iterable[str]) -> Answer:
    """Texts in their order as a value.

    Raises:
        TypeError: there is something else among them.
    """
    return items(FoundItem(_text(text), "", {}) for text in found)


def items(found: Iterable[FoundItem]) -> Answer:
    """Texts with ids and metadata in their order as a value.

    Raises:
        ValueError: there are too many.
    """
    told = tuple(islice(found, _MOST_TEXTS + 1))
    if len(told) > _MOST_TEXTS:
        raise ValueError(f"more than {_MOST_TEXTS} texts are no value")
    return Answer(items=told)


def data(parsed: Any) -> Answer:
    """What was parsed as a value: what JSON can hold, dataclasses and models.

    Raises:
        TypeError, ValueError: it is a text, which is in what it was parsed from, or nothing that
            JSON could hold.
    """
    if parsed is None or isinstance(parsed, str | int | float):
        raise TypeError("it says nothing more than what it was parsed from")
    return Answer(text=json.dumps(parsed, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else _no(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else _no(value)


def _no(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is no value")

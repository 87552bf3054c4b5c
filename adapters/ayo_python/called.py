"""Objects of a program's own classes that are called like functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType, MethodType
from typing import Any, Final

from ayo_bridge.errors import NotAccelerableError
from ayo_bridge.learn.live.entry import FunctionKind, kind_of, run, run_async, signature_of
from ayo_bridge.learn.live.kept import kept_of_methods
from ayo_bridge.learn.live.learned import Learned
from ayo_bridge.learn.live.words import learning
from ayo_bridge.lift.functions import called_of
from ayo_bridge.lift.own_code import is_own
from ayo_bridge.lift.subclass import Methods, Owner, accelerated
from ayo_bridge.runahead import AcceleratedState

CALL: Final = "__call__"
Certainly = Callable[[Any, Sequence[Any], Mapping[str, Any]], Iterable[object]]


def is_called(obj: object, frameworks: tuple[str, ...]) -> bool:
    """Whether an object of a program's own class has a ``__call__`` that is written in Python.

    One that a framework has written is no way in which applications use its objects.
    """
    if isinstance(obj, type) or not is_own(type(obj).__module__):
        return False
    call = called_of(obj)
    return (
        call is not obj
        and isinstance(call, FunctionType | MethodType)
        and not str(call.__module__).startswith(frameworks or "?")
    )


def followed_object(obj: Any, state: AcceleratedState, certain: Certainly) -> Any:
    """An object beside ``obj``, with the same attributes, whose calls are learned."""
    call = called_of(obj)
    kept = kept_of_methods(obj, [CALL], state.runtime)
    learned = Learned(state, CALL, signature_of(call), kept.get(CALL))
    state.learning = lambda: learning(learned)
    kind = kind_of(call)
    return object_like(obj, state, lambda owner: {CALL: _method(owner, learned, kind, certain)})


def object_like(obj: Any, state: AcceleratedState, methods: Methods = lambda owner: {}) -> Any:
    """An object beside ``obj``, with the same attributes, and other ``methods``.

    Raises:
        NotAccelerableError: there can be none.
    """
    try:
        return accelerated(obj, state, methods, shares=True)
    except Exception as error:  # What derives from dict has another layout, an enumeration refuses.
        name = type(obj).__name__
        raise NotAccelerableError(
            f"there can be no second {name} like this one ({error}): pass its method, as in "
            f"accelerate(obj.{CALL})"
        ) from error


def _method(owner: Owner, learned: Learned, kind: FunctionKind, certain: Certainly) -> Any:
    if kind is FunctionKind.AWAIT:

        @functools.wraps(owner.like(CALL))
        async def awaited(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            original = owner.original(self, CALL)
            own = certain(original, args, kwargs)
            return await run_async(original, learned, args, kwargs, own=own)

        return awaited

    @functools.wraps(owner.like(CALL))
    def called(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        original = owner.original(self, CALL)
        return run(original, learned, args, kwargs, own=certain(original, args, kwargs))

    return called

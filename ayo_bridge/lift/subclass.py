"""The object ``accelerate`` returns: a shallow copy whose class is a subclass made for it.

The subclass has the name, module and documentation of the original class, so ``isinstance``,
``repr``, span names and serialised ids are what they were. It carries the state of the accelerated
object; pickling and copying go through the plain object and accelerate anew.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ayo_bridge.runahead.state import AcceleratedState

T = TypeVar("T")
STATE = "__ayo_bridge__"


def state_of(obj: object) -> AcceleratedState | None:
    """The state of an accelerated object; ``None`` for any other."""
    state = getattr(type(obj), STATE, None)
    return state if isinstance(state, AcceleratedState) else None


def plain(obj: T) -> T:
    """A shallow copy of an accelerated object with its original class."""
    clone = _shallow(obj)
    object.__setattr__(clone, "__class__", type(obj).__mro__[1])
    return clone


def accelerated(obj: T, state: AcceleratedState, methods: Mapping[str, Callable[..., Any]]) -> T:
    """A shallow copy of ``obj`` whose ``methods`` are replaced."""
    base = type(obj)
    names = {"__doc__": base.__doc__, "__module__": base.__module__}
    metaclass: Any = type(base)
    subclass = metaclass(base.__name__, (base,), names)
    subclass.__qualname__ = base.__qualname__
    # Set after the class exists: frameworks decorate the methods they find in a class body, and
    # these call the decorated originals.
    type.__setattr__(subclass, STATE, state)
    type.__setattr__(subclass, "__reduce_ex__", _reduce)
    again, runtime = state.again, state.runtime
    type.__setattr__(subclass, "__copy__", lambda self: again(copy.copy(plain(self)), runtime))
    type.__setattr__(
        subclass,
        "__deepcopy__",
        lambda self, memo: again(copy.deepcopy(plain(self), memo), runtime),
    )
    for name, method in methods.items():
        type.__setattr__(subclass, name, method)
    clone = _shallow(obj)
    object.__setattr__(clone, "__class__", subclass)
    return clone


def _shallow(obj: T) -> T:
    """A copy with the same attribute values, made without running any of the class's code."""
    clone = object.__new__(type(obj))
    for cls in type(obj).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name in ("__dict__", "__weakref__"):
                continue
            try:
                value = object.__getattribute__(obj, name)
            except AttributeError:
                continue
            # What pydantic keeps in slots (private attributes, the fields that are set) it changes
            # in place: sharing it would let a change of the copy reach the original.
            own = name.startswith("__pydantic_") and type(value) in (dict, set)
            object.__setattr__(clone, name, value.copy() if own else value)
    if hasattr(obj, "__dict__"):
        object.__setattr__(clone, "__dict__", dict(vars(obj)))
    return clone


def _reduce(self: object, protocol: Any) -> tuple[Any, ...]:
    state = state_of(self)
    assert state is not None
    return state.again, (plain(self),)

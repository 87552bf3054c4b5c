"""The object ``accelerate`` returns: a shallow copy whose class is a subclass made for it.

The subclass has the name, module and documentation of the original class, so ``isinstance``,
``repr``, span names and serialised ids are what they were. It carries the state of the accelerated
object; pickling and copying go through the plain object and accelerate anew.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ayo_bridge.runahead.state import AcceleratedState

T = TypeVar("T")
STATE = "__ayo_bridge__"


def state_of(obj: object) -> AcceleratedState | None:
    """The state of an accelerated object; ``None`` for any other."""
    state = getattr(type(obj), STATE, None)
    return state if isinstance(state, AcceleratedState) else None


def plain(obj: T) -> T:
    """A shallow copy of an accelerated object with its original class.

    Of an object that stays itself while it is accelerated that is the class it has.
    """
    clone = _shallow(obj)
    if state_of(obj) is not None:
        object.__setattr__(clone, "__class__", type(obj).__mro__[1])
    return clone


class Owner(Protocol):
    """What the methods of an accelerated object belong to."""

    def original(self, obj: Any, name: str) -> Callable[..., Any]:
        """The method ``name`` that ``obj`` would have without us, bound to it."""

    def like(self, name: str) -> Callable[..., Any]:
        """What a method in its place is to look like."""

    def state(self, obj: Any) -> AcceleratedState | None:
        """The state of ``obj``."""


@dataclass(frozen=True, slots=True)
class Subclass:
    """A subclass made for one accelerated object."""

    cls: type

    def original(self, obj: Any, name: str) -> Callable[..., Any]:
        """The method of the user's class, which is looked up anew: it may have been patched."""
        found: Callable[..., Any] = getattr(super(self.cls, obj), name)
        return found

    def like(self, name: str) -> Callable[..., Any]:
        """The method of the user's class."""
        found: Callable[..., Any] = getattr(self.cls, name)
        return found

    def state(self, obj: Any) -> AcceleratedState | None:
        """What the class carries."""
        return state_of(obj)


Methods = Callable[[Owner], Mapping[str, Callable[..., Any]]]
"""The methods that are replaced, given what will have them."""


def accelerated(obj: T, state: AcceleratedState, methods: Methods) -> T:
    """A shallow copy of ``obj`` whose ``methods`` are replaced."""
    clone = _shallow(obj)
    object.__setattr__(clone, "__class__", _subclass(type(obj), state, methods))
    return clone


def convert(obj: object, state: AcceleratedState, methods: Methods) -> None:
    """Accelerate an object that nobody else has seen yet, in place."""
    object.__setattr__(obj, "__class__", _subclass(type(obj), state, methods))


def _subclass(base: type, state: AcceleratedState, methods: Methods) -> type:
    metaclass: Any = type(base)
    names = {"__doc__": base.__doc__, "__module__": base.__module__}
    subclass: type = metaclass(base.__name__, (base,), names)
    subclass.__qualname__ = base.__qualname__
    generic = vars(base).get("__pydantic_generic_metadata__")
    if generic is not None:  # The name of a parametrised generic is that of its origin.
        type.__setattr__(subclass, "__pydantic_generic_metadata__", generic)
    again, runtime = state.again, state.runtime

    def copied(self: Any) -> Any:
        return again(copy.copy(plain(self)), runtime)

    def deeply_copied(
        self: Any, memo: dict[int, Any] | None = None
    ) -> Any:  # As pydantic calls it.
        return again(copy.deepcopy(plain(self), memo), runtime)

    own = {
        STATE: state,
        "__reduce_ex__": _reduce,
        "__copy__": copied,
        "__deepcopy__": deeply_copied,
        **methods(Subclass(subclass)),
    }
    # Set after the class exists: frameworks decorate the methods they find in a class body, and
    # these call the decorated originals.
    for name, value in own.items():
        type.__setattr__(subclass, name, value)
    return subclass


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

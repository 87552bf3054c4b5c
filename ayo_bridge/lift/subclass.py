"""The object ``accelerate`` returns: a shallow copy whose class is a subclass made for it.

The subclass has the name, module and documentation of the original class, so ``isinstance``,
``repr``, span names and serialised ids are what they were. It carries the state of the accelerated
object; pickling, copying and comparing go through the plain object; copies are accelerated anew.

An object of a user's own class shares its attributes with the original instead of having a copy of
them: such objects hold methods that are bound to themselves, and what these change is seen.
"""

from __future__ import annotations

import copy
from abc import ABCMeta
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MemberDescriptorType, MethodType
from typing import Any, Final, Protocol, TypeVar

from ayo_bridge.runahead.state import AcceleratedState

T = TypeVar("T")
STATE = "__ayo_bridge__"
_ORIGINAL: Final = "__ayo_original__"
_COMPARING: Final = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")


def state_of(obj: object) -> AcceleratedState | None:
    """The state of an accelerated object; ``None`` for any other."""
    state = getattr(type(obj), STATE, None)
    return state if isinstance(state, AcceleratedState) else None


def plain(obj: T) -> T:
    """A shallow copy of an accelerated object with its original class.

    Of an object that stays itself while it is accelerated that is the class it has. Of one that
    shares its attributes with the original it is the original.
    """
    original = _sharing(obj)
    if original is not None:
        return original
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


def accelerated(obj: T, state: AcceleratedState, methods: Methods, *, shares: bool = False) -> T:
    """A shallow copy of ``obj`` whose ``methods`` are replaced.

    ``shares``: what ``obj`` keeps in its ``__dict__`` is kept for both, and ``obj`` as long as the
    copy. What it keeps in slots is copied.

    Raises:
        TypeError: there can be no such copy, as of what derives from ``dict``, or of enumerations.
    """
    clone = _shallow(obj, shares=shares)
    subclass = _subclass(type(obj), state, methods)
    if shares:
        type.__setattr__(subclass, _ORIGINAL, obj)
        if hasattr(type(obj), "__del__"):
            type.__setattr__(subclass, "__del__", _finalised(type(obj)))
    object.__setattr__(clone, "__class__", subclass)
    return clone


def convert(obj: object, state: AcceleratedState, methods: Methods) -> None:
    """Accelerate an object that nobody else has seen yet, in place."""
    object.__setattr__(obj, "__class__", _subclass(type(obj), state, methods))


def _subclass(base: type, state: AcceleratedState, methods: Methods) -> type:
    subclass = _made(base)
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
        **{name: _compared(base, name) for name in _COMPARING if _has_own(base, name)},
        **methods(Subclass(subclass)),
    }
    # Set after the class exists: frameworks decorate the methods they find in a class body, and
    # these call the decorated originals.
    for name, value in own.items():
        type.__setattr__(subclass, name, value)
    return subclass


class _Bare:
    """What a class is made of before it has its base."""


def _made(base: type) -> type:
    """A class that is derived from ``base`` and of the same layout, with nothing in it.

    No ``__init_subclass__`` of the user's hears of it.
    """
    metaclass: Any = type(base)
    names: dict[str, Any] = {"__doc__": base.__doc__, "__module__": base.__module__}
    if not (base.__dictoffset__ and base.__weakrefoffset__):  # Of a class with slots.
        names["__slots__"] = ()
    made: type
    if metaclass in (type, ABCMeta) and isinstance(base.__init_subclass__, MethodType):
        made = metaclass(base.__name__, (_Bare,), names)
        with suppress(TypeError):  # It has slots besides.
            made.__bases__ = (base,)
            return made
    made = metaclass(base.__name__, (base,), names)
    return made


def _has_own(base: type, name: str) -> bool:
    return any(name in vars(cls) for cls in base.__mro__[:-1])


def _compared(base: type, name: str) -> Callable[..., Any]:
    """A comparison of the plain objects: that of data classes asks for the very same class."""

    def compare(self: Any, other: Any) -> Any:
        other = plain(other) if state_of(other) is not None else other
        return getattr(base, name)(plain(self), other)

    return compare


def _sharing(obj: T) -> T | None:
    """The original with which an object shares its attributes, if it does."""
    original = vars(type(obj)).get(_ORIGINAL)
    if original is None or not hasattr(original, "__dict__"):
        return None
    found: T = original
    return found if vars(obj) is vars(original) else None  # Others are made of its class.


def _finalised(base: Any) -> Callable[[Any], None]:
    """What becomes of an object that shares its attributes: the original goes with it."""

    def finalised(self: Any) -> None:
        if _sharing(self) is None:
            base.__del__(self)
        else:
            type.__delattr__(type(self), _ORIGINAL)

    return finalised


def _shallow(obj: T, *, shares: bool = False) -> T:
    """A copy with the same attribute values, made without running any of the class's code."""
    clone = object.__new__(type(obj))
    for cls in type(obj).__mro__:
        for name, slot in vars(cls).items():
            if type(slot) is not MemberDescriptorType:
                continue
            try:
                value = slot.__get__(obj)
            except AttributeError:
                continue
            # What pydantic keeps in slots (private attributes, the fields that are set) it changes
            # in place: sharing it would let a change of the copy reach the original.
            own = name.startswith("__pydantic_") and type(value) in (dict, set) and not shares
            slot.__set__(clone, value.copy() if own else value)
    if hasattr(obj, "__dict__"):
        object.__setattr__(clone, "__dict__", vars(obj) if shares else dict(vars(obj)))
    return clone


def _reduce(self: object, protocol: Any) -> tuple[Any, ...]:
    state = state_of(self)
    assert state is not None
    return state.again, (plain(self),)

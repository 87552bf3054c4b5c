"""What somebody has looked at to reach a verdict: as long as it stands, so does the verdict.

Adapters look at the objects of a framework anew for each call, since a user may change any of them,
or patch a class, at any time. Looking costs more than seeing that nothing has changed.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain, starmap
from operator import attrgetter, call, contains, getitem, is_
from typing import Any, Final, TypeVar

from ayo_bridge.bindings import binding

T = TypeVar("T")
Found = tuple[Mapping[str, Any], str, Any, tuple[Mapping[str, Any], ...]]
"""A namespace, a name in it, what is there, and the namespaces that are looked at before."""

_FEW: Final = 16
"""Of a larger container only the size is watched."""


class Witness:
    """Objects with the attributes they had, and functions with the classes they were found in.

    Compares identities: an attribute that was set to an equal value counts as changed, which costs
    a second look and no more. Containers held by attributes are watched one level deep.
    """

    __slots__ = (
        "_bindings",
        "_checks",
        "_classes",
        "_dicts",
        "_elsewhere",
        "_found",
        "_functions",
        "_lists",
        "_objects",
        "_sizes",
        "_spaces",
        "wavers",
    )

    def __init__(self) -> None:
        self.wavers = False
        """Something was seen that cannot be watched: the verdict holds this once."""
        self._bindings = binding.changes()
        # Parallel columns, so that looking again is a few passes in C.
        self._objects: dict[int, Callable[[], Any]] = {}
        self._classes: list[type] = []
        self._spaces: dict[str, tuple[list[Callable[[], Any]], list[dict[str, Any]]]] = {}
        self._sizes: tuple[list[Collection[Any]], list[int]] = ([], [])
        self._dicts: tuple[list[dict[Any, Any]], list[Any]] = ([], [])
        self._lists: tuple[list[list[Any]], list[Any]] = ([], [])
        self._functions: set[tuple[int, str]] = set()
        self._found: tuple[list[Mapping[str, Any]], list[str], list[Any]] = ([], [], [])
        self._elsewhere: dict[tuple[int, str], tuple[Mapping[str, Any], str]] = {}
        self._checks: list[tuple[Callable[[], Any], Any]] = []

    def saw(self, obj: Any) -> None:
        """Attributes of ``obj`` were looked at."""
        if id(obj) in self._objects:
            return
        try:  # Whoever keeps the verdict shall not keep the object it is about.
            reference: Callable[[], Any] = weakref.ref(obj)
        except TypeError:
            reference = partial(_same, obj)
        self._objects[id(obj)] = reference
        self._classes.append(type(obj))
        for name in _SPACES:
            space = getattr(obj, name, None)
            if not isinstance(space, dict):
                continue
            references, spaces = self._spaces.setdefault(name, ([], []))
            references.append(reference)
            spaces.append(space)
            self._contents(space, few=False)
            for held in list(space.values()):
                self._contents(held)

    def _contents(self, held: Any, *, few: bool = True) -> None:
        if type(held) not in (dict, list, set):
            return
        self._sizes[0].append(held)
        self._sizes[1].append(len(held))
        if type(held) is set or (few and len(held) > _FEW):
            return
        if type(held) is dict:
            self._dicts[0].append(held)
            self._dicts[1].extend(held.values())
        else:
            self._lists[0].append(held)
            self._lists[1].extend(held)

    def found(self, functions: Collection[Found]) -> None:
        """Functions of classes were looked up, and where they were found."""
        for space, name, function, before in functions:
            if (id(space), name) not in self._functions:
                self._functions.add((id(space), name))
                spaces, names, values = self._found
                spaces.append(space)
                names.append(name)
                values.append(function)
            for earlier in before:
                self._elsewhere[id(earlier), name] = (earlier, name)

    def checked(self, check: Callable[[], Any], result: Any) -> None:
        """Something was asked that only asking again can answer."""
        self._checks.append((check, result))

    def stands(self) -> bool:
        """Whether everything is as it was seen. Takes some 10 us."""
        if self.wavers or self._bindings != binding.changes():
            return False
        spaces, names, functions = self._found
        try:
            return (
                all(map(is_, map(type, map(call, self._objects.values())), self._classes))
                and all(
                    all(map(is_, map(attrgetter(name), map(call, references)), theirs))
                    for name, (references, theirs) in self._spaces.items()
                )
                and list(map(len, self._sizes[0])) == self._sizes[1]
                and _same_contents(map(dict.values, self._dicts[0]), self._dicts[1])
                and _same_contents(self._lists[0], self._lists[1])
                and all(map(is_, map(getitem, spaces, names), functions))
                and not any(starmap(contains, self._elsewhere.values()))
                and all(check() == result for check, result in self._checks)
            )
        except (AttributeError, KeyError, RuntimeError):  # gone, or changed while we looked
            return False


_SPACES: Final = ("__dict__", "__pydantic_private__", "__pydantic_extra__")


def _same_contents(held: Iterable[Iterable[Any]], seen: list[Any]) -> bool:
    return all(map(is_, chain.from_iterable(held), seen))


def stand(functions: Collection[Found]) -> bool:
    """Whether these functions are still found where they were."""
    for space, name, function, before in functions:  # Hundreds at a time: no generators.
        if space.get(name) is not function:
            return False
        for earlier in before:
            if name in earlier:
                return False
    return True


def _same(obj: T) -> T:
    return obj


class _Looking(threading.local):
    witness: Witness | None = None


_looking: Final = _Looking()


@contextmanager
def witnessed() -> Iterator[Witness]:
    """Have a witness of all that is looked at in the block, by this thread."""
    before, _looking.witness = _looking.witness, Witness()
    try:
        yield _looking.witness
    finally:
        _looking.witness = before


def saw(obj: T) -> T:
    """Say that attributes of ``obj`` are looked at; returns it."""
    if _looking.witness is not None:
        _looking.witness.saw(obj)
    return obj


def found(functions: Collection[Found]) -> None:
    """Say that functions were looked up in classes."""
    if _looking.witness is not None:
        _looking.witness.found(functions)


def checked(check: Callable[[], T]) -> T:
    """Ask something of an object that cannot be watched, quickly; it is asked again later."""
    result = check()
    if _looking.witness is not None:
        _looking.witness.checked(check, result)
    return result


def wavers() -> None:
    """Say that something was looked at that cannot be watched."""
    if _looking.witness is not None:
        _looking.witness.wavers = True

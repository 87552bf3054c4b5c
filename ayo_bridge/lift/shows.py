"""What a framework says of runs that are compared: nobody hears of the second, and what each said.

The core of it is the same for every framework; an adapter adds its own kinds of values.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from inspect import isawaitable
from typing import Any, ClassVar, Final, NamedTuple

from ayo_bridge.bindings.binding import Binding
from ayo_bridge.lift.recognise import is_a
from ayo_bridge.runahead.again import Unsaid

ATOMS: Final = (str, int, float, bool, bytes, complex, type(None), enum.Enum)
_DEEPEST: Final = 12


class Given(NamedTuple):
    """The arguments of a second run."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Acting(NamedTuple):
    """A class of a module, and what calls of its objects do."""

    module: str
    name: str
    what: str


class Shows:
    """What is known of the objects of a framework that are run once more to be verified.

    Attributes:
        framework: as reasons name it.
        silencers: bindings that keep from listeners what such a run does; ``None``: its objects are
            not run once more.
        packages: how the names of its packages begin: what is in their objects is known by their
            attributes.
        names_inputs: whether a mapping of inputs names arguments, and is no single one.
        acting: the classes whose objects do what shall not be done twice, and what that is.
    """

    framework: ClassVar[str] = "this framework"
    silencers: ClassVar[Sequence[Binding] | None] = None
    packages: ClassVar[tuple[str, ...]] = ()
    names_inputs: ClassVar[bool] = True
    acting: ClassVar[Sequence[Acting]] = ()

    def verifiable(self) -> str | None:
        """Why its objects are not run once more; ``None`` if they are, and nobody hears of it."""
        if self.silencers is None:
            return f"what listens to {self.framework} would hear of it"
        refused = [each.status for each in self.silencers if not each.install()]
        return next(iter(refused), None)

    def given(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Given | str:
        """The arguments for a second run, less those that only listen; or why there is none."""
        return Given(tuple(args), dict(kwargs))

    def hush(self) -> None:
        """Called in the context of a second run, before that: nobody who is in it is told."""

    def apart(self, obj: Any) -> tuple[Any, Sequence[object]] | None:
        """A copy of an object whose state is its own, and what that state is in the object.

        ``None``: it keeps nothing from call to call.
        """
        return None

    def acts(self, value: Any) -> str:
        """What calling ``value`` does that shall not be done twice; empty if nothing is known."""
        for each in self.acting:
            if is_a(value, each.module, each.name):
                return f"{each.what} ({type(value).__name__})"
        return ""

    def listens(self, value: Any) -> bool:
        """Whether an object only listens to what is done, and is told nothing in a second run."""
        return False

    def said_of(self, value: Any) -> object:
        """What a value of the framework says, in plain data or further values; ``None``: it is
        none of the framework's."""
        return None

    def stream_of(self, result: Any) -> Iterator[Any] | AsyncIterator[Any] | None:
        """What a result goes on to stream, if it does."""
        return None

    def shown(self, result: Any) -> object:
        """What an answer says, as plain data to compare; ``None`` if that is not known."""
        if self.stream_of(result) is None and (
            isinstance(result, Iterator | AsyncIterator) or isawaitable(result)
        ):
            return Unsaid.GOES_ON
        try:
            return said(result, self.said_of)
        except ValueError:
            return None

    def item(self, item: Any) -> object:
        """What a piece of a stream says."""
        try:
            return said(item, self.said_of)
        except ValueError:
            return type(item).__name__


def said(value: Any, of: Callable[[Any], object], depth: int = _DEEPEST) -> object:
    """Plain data of the same content, which nobody else holds.

    Raises:
        ValueError: there is more to it.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, ATOMS):
        return value
    if depth == 0:
        raise ValueError("it goes too deep")
    if isinstance(value, Mapping):
        return {_name(name): said(each, of, depth - 1) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [said(each, of, depth - 1) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(repr(said(each, of, depth - 1)) for each in value)
    known = of(value)
    if known is not None:
        return said(known, of, depth - 1)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        own = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        return said(own, of, depth - 1)
    raise ValueError(f"what a {type(value).__name__} says is not known")


def _name(name: object) -> object:
    return name if isinstance(name, ATOMS) else repr(name)


__all__ = ["ATOMS", "Given", "Shows", "said"]

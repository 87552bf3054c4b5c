"""The methods of objects that users call."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.Enum):
    """How an entry point is called."""

    CALL = enum.auto()
    AWAIT = enum.auto()
    STREAM = enum.auto()
    """It returns a generator."""
    ASTREAM = enum.auto()
    """It returns an asynchronous generator."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A method that users call. ``many`` takes a list of inputs through the object at once.

    ``begins``: it blocks nobody, but begins a run on the running loop; what it returns is awaited.
    """

    name: str
    kind: Kind = Kind.CALL
    many: bool = False
    begins: bool = False

    @property
    def seen(self) -> Kind:
        """How a user who wants its answer calls it."""
        return Kind.AWAIT if self.begins else self.kind

    @property
    def sync(self) -> bool:
        """Whether it blocks its caller."""
        return self.kind in (Kind.CALL, Kind.STREAM)


@dataclass(frozen=True, slots=True)
class Base:
    """A base class of a framework, by its module, and the entries of its objects."""

    module: str
    name: str
    entries: tuple[Entry, ...]

"""What a function's body does, whatever it is called with: calls, and what comes before them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from types import CodeType
from typing import TypeAlias


class Root(enum.Enum):
    """Where a name is looked up."""

    GLOBAL = enum.auto()
    CELL = enum.auto()
    PARAMETER = enum.auto()


@dataclass(frozen=True, slots=True)
class Path:
    """A name and the attributes that are read of it: ``self.llm.complete``."""

    root: Root
    name: str
    steps: tuple[str, ...] = ()

    def attribute(self, name: str) -> Path:
        """The path of an attribute of what stands there."""
        return Path(self.root, self.name, (*self.steps, name))


class Mark(enum.Enum):
    """Values of which nothing else is known."""

    UNKNOWN = enum.auto()
    NULL = enum.auto()
    """What the interpreter puts below a callable that is no method."""
    SOME = enum.auto()
    """Certainly has a member."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal."""

    value: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a call of the body has returned, and the attributes that are read of it.

    ``at`` is the offset of its instruction.
    """

    at: int
    steps: tuple[str, ...] = ()

    def attribute(self, name: str) -> Returned:
        """The path of an attribute of that."""
        return Returned(self.at, (*self.steps, name))


@dataclass(frozen=True, slots=True)
class Joined:
    """``left | right``, and the attributes that are read of it."""

    left: Value
    right: Value
    steps: tuple[str, ...] = ()

    def attribute(self, name: str) -> Joined:
        """The path of an attribute of that."""
        return Joined(self.left, self.right, (*self.steps, name))


@dataclass(frozen=True, slots=True)
class Item:
    """``of[key]``, and the attributes that are read of it."""

    of: Rooted
    key: Path | Constant
    steps: tuple[str, ...] = ()

    def attribute(self, name: str) -> Item:
        """The path of an attribute of that."""
        return Item(self.of, self.key, (*self.steps, name))


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a value of which no path is known: ``answer.strip``."""

    name: str


@dataclass(frozen=True, slots=True)
class Nested:
    """A function that the body itself makes: a comprehension, a lambda, a definition."""

    code: CodeType


@dataclass(frozen=True, slots=True)
class Listed:
    """A list or tuple of the body's own that has no name yet: what has one may grow."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A list of any number of what one value stands for, as a comprehension makes it."""

    value: Value


Rooted: TypeAlias = Path | Returned | Joined | Item
"""What attributes are read of."""
Value: TypeAlias = "Rooted | Mark | Constant | Method | Nested | Listed | Repeated"


def met(one: Value, other: Value) -> Value:
    """What is known where it is either the one or the other."""
    if one == other:
        return one
    several = {each for each in (one, other) if each != Listed(())}
    if len(several) == 1 and isinstance(found := several.pop(), Repeated):
        return found
    return Mark.UNKNOWN


@dataclass(frozen=True, slots=True)
class Called:
    """A call in a body.

    Args:
        at: the offset of the instruction.
        also: offsets at which the frame stands while what was called is awaited.
        before: the events, as bits, that may have come earlier in a run.
        args: what it is given by position; ``None``: that is not known.
        names: the names of the last of them, which are given by name.
        awaited: whether what it returns is awaited at once.
        certain: whether every run that returns has made it.
    """

    at: int
    also: tuple[int, ...]
    before: int
    callee: Value
    args: tuple[Value, ...] | None
    names: tuple[str, ...]
    awaited: bool
    certain: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a body.

    Args:
        events: in the order of the bits; ``None`` stands for what may change anything: a name or an
            attribute is set, a context is entered.
    """

    events: tuple[Called | None, ...] = ()
    counts_on_range: bool = False
    """Whether it holds only if ``range`` is the builtin."""
    kept: frozenset[str] = frozenset()
    """Parameters that no function in the body sets anew."""
    returns: Value = Mark.UNKNOWN
    """What every run that returns gives back."""


NOTHING = Facts((None,))
"""Of a body that is not read: it may change anything."""

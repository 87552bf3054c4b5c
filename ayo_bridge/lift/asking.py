"""Objects that ask engines, as an adapter knows them: by which client a call of theirs asks.

Many are made in a call only, by the classes of a framework. What such an object will ask by follows
from what it is made of: :class:`StandIn` stands for it before it exists.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol


@dataclass(frozen=True, slots=True)
class Asking:
    """What a call of a method asks by.

    Args:
        owners: clients, models and stores; of a composed object those that it always uses.
        plain: whether it is one client, model or store itself: then nothing else is asked by the
            call, and nothing of the user's runs in it.
        parts_plain: whether all of a composed object's parts are such.
    """

    owners: Sequence[object]
    plain: bool
    parts_plain: bool = False

    @property
    def harmless(self) -> bool:
        """Whether a call changes nothing for whom is asked after it."""
        return self.plain or self.parts_plain


class Absent:
    """What stands for a value that cannot be read before a call."""

    __slots__ = ()


ABSENT: Final = Absent()


class StandIn:
    """An object of a framework that a call is going to make: its attributes are those it will have.

    Raises:
        AttributeError: of an attribute nothing is known.
    """

    __slots__ = ("__dict__", "__weakref__", "_stands_for")

    def __init__(self, cls: type, /, **parts: object) -> None:
        self._stands_for = cls
        self.__dict__.update(parts)


def stands_for(obj: object) -> type | None:
    """The class that a :class:`StandIn` will be of; ``None``: it is none, but an object itself."""
    return obj._stands_for if type(obj) is StandIn else None


@dataclass(frozen=True, slots=True)
class Making:
    """What a call comes to that changes nothing for whom is asked after it.

    Args:
        value: what it returns: an object, a :class:`StandIn`, a list of such; :data:`ABSENT`.
        asking: what it asks by.
    """

    value: Any = ABSENT
    asking: Asking | None = None


class Asked(Protocol):
    """Knows objects that ask engines."""

    def __call__(self, obj: Any, steps: Sequence[str], awaited: bool, /) -> Asking | None:
        """What calling ``obj.<steps>()`` asks by; ``None``: it is not known to ask. Runs nothing.

        Args:
            obj: an object, or a :class:`StandIn`.
            awaited: whether what it returns is awaited at once.
        """


@dataclass(frozen=True, slots=True)
class Given:
    """What a call is given: objects, stand-ins, lists of such; :data:`ABSENT`: not known.

    Args:
        args: by position.
        kwargs: by name.
        awaited: whether what it returns is awaited at once.
        verdicts: what was found out before of whatever is looked at for one call of the user's.
    """

    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    awaited: bool
    verdicts: Verdicts


Verdicts = dict[Hashable, Any]


class Makes(Protocol):
    """Knows the makers of a framework."""

    def __call__(self, obj: Any, steps: Sequence[str], given: Given, /) -> Making | None:
        """What calling ``obj.<steps>()`` with what it is given comes to. Runs nothing.

        ``None``: that is not known, or code of the user's may run in it.

        Args:
            obj: a class, a function, an object or a :class:`StandIn`.
            steps: none, or the name of a method.
        """


class Reads(Protocol):
    """Knows properties of a framework's objects."""

    def __call__(self, obj: Any, name: str, /) -> Any:
        """What reading ``obj.<name>`` gives; :data:`ABSENT`: not known. Runs nothing."""


def _makes_nothing(obj: Any, steps: Sequence[str], given: Given, /) -> Making | None:
    return None


def _reads_nothing(obj: Any, name: str, /) -> Any:
    return ABSENT


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the frameworks' objects."""

    asks: Asked
    makes: Makes = _makes_nothing
    reads: Reads = _reads_nothing

"""Which calls may run twice to be verified, and how the second run is made.

The second run is the original's own code, in a thread of the background, while the first has ended
and others may be going on. So it is made only where every part is known and does nothing but ask
engines and shape data: then nothing is written twice, no tool is called twice, and no state is
changed. It works on copies of the arguments.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ayo_bridge.graph import (
    Component,
    Opaque,
    QueryExpansion,
    Reranking,
    Searching,
    Synthesis,
    Template,
)
from ayo_bridge.lift.copies import own
from ayo_bridge.lift.entry import Entry, Kind
from ayo_bridge.lift.subclass import plain
from ayo_bridge.runahead.scope import Verifies

_ASKS: Final = (QueryExpansion, Reranking, Searching, Synthesis)
_ATOMS: Final = (str, int, float, bool, bytes, type(None))


class Shows(Protocol):
    """What a framework knows of runs that are compared."""

    def verifiable(self) -> str | None:
        """Why its objects are not run once more; ``None`` if they are, and nobody hears of it."""

    def shown(self, result: Any) -> object:
        """What an answer says, as plain data to compare; ``None`` if that is not known."""


@dataclass(frozen=True, slots=True)
class Second:
    """What a second run would be of; ``unchanged`` tells later whether ``obj`` is as it was."""

    obj: Any
    entry: Entry
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    unchanged: Callable[[], bool]


def compare(verification: Verifies, shows: Shows, template: Template, second: Second) -> None:
    """Have a call that begins be compared with the original, or say why it is not."""
    entry, args, kwargs = second.entry, second.args, second.kwargs
    why = _refusal(shows, template, entry, (*args, *kwargs.values()))
    if why is not None:
        verification.alone(why)
        return
    given, named, original = own(tuple(args)), own(dict(kwargs)), plain(second.obj)

    def again() -> object:
        return getattr(original, entry.name)(*own(given), **own(named))

    verification.by(again, shows.shown, second.unchanged)


def _refusal(shows: Shows, template: Template, entry: Entry, given: Sequence[object]) -> str | None:
    if entry.kind is not Kind.CALL:
        return f"{entry.name} is asynchronous or streams"
    unknown = next((each for each in template.components if not _only_asks(each)), None)
    if unknown is not None:
        return f"{unknown.name} may do more than ask engines"
    if not all(map(_is_plain, given)):
        return "it is given more than plain data"
    return shows.verifiable()


def _only_asks(component: Component) -> bool:
    return isinstance(component, _ASKS) or (isinstance(component, Opaque) and component.pure)


def _is_plain(value: object) -> bool:
    """Whether a copy of an argument is all that there is to it."""
    if isinstance(value, _ATOMS):
        return True
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return all(_is_plain(getattr(value, each.name)) for each in dataclasses.fields(value))
    return False


__all__ = ["Second", "compare"]

"""What a framework says of ingestion: what takes documents, what these are, what was stored."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from ayo_bridge.lift.entry import Entry

_CLOSE: Final = 1e-6
"""So far the numbers of two vectors may differ: embedding models round by the size of a batch."""


@dataclass(frozen=True, slots=True)
class Text:
    """A document before it is one of a framework's. ``name`` is its id, where that may be chosen.

    ``given`` says whether the id stands in the file.
    """

    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    given: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """How an object ingests.

    Args:
        target: what is accelerated: a pipeline, a method of a store, a function.
        entry: what of it is called.
        call: calls ``target``, or ``target`` accelerated, with documents.
        again: another object of the same parts, whose place is its own; ``None``: there is none.
        shared: what it writes to, where there is none.
        stale: why a run finds what others have left; empty if it does not.
    """

    target: Any
    entry: Entry
    call: Callable[[Any, Any], Any]
    again: Callable[[], Any] | None = None
    shared: str = ""
    stale: str = ""


class Vector:
    """Numbers of an embedding; equal to others that are off by 1e-6 at most."""

    __slots__ = ("numbers",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, numbers: Iterable[float]) -> None:
        self.numbers = array("d", map(float, numbers))

    def __eq__(self, other: object) -> bool:
        """Whether no number of the two is further apart than that."""
        if not isinstance(other, Vector) or len(self.numbers) != len(other.numbers):
            return False
        both = zip(self.numbers, other.numbers, strict=True)
        return all(abs(one - two) <= _CLOSE for one, two in both)

    def __repr__(self) -> str:
        """All of it: the difference may be anywhere."""
        return f"a vector of {len(self.numbers)}: {', '.join(f'{each:.7g}' for each in self)}"

    def __iter__(self) -> Any:
        """Its numbers."""
        return iter(self.numbers)


Row = tuple[object, object, Vector | None]
"""A text, its metadata, its embedding. Ids are left out: they may be drawn at random."""


def row(text: object, metadata: object, vector: Any = None) -> Row:
    """A row of what was stored."""
    return text, metadata, None if vector is None else Vector(vector)


class UnreadError(Exception):
    """What is in a store cannot be told; the message says why."""


class Ingests:
    """What is known of the ingestion of a framework; of none, nothing."""

    packages: ClassVar[tuple[str, ...]] = ()
    """How the names of modules begin in which classes of its documents are."""

    def way(self, obj: Any, entry: str) -> Way | None:
        """How an object ingests; ``None``: it is none of the framework's, or has no such entry."""
        return None

    def loaded(self) -> bool:
        """Whether the application has imported its documents."""
        return False

    def documents(self, texts: Sequence[Text]) -> list[Any]:
        """Documents of the framework."""
        return [each.text for each in texts]

    def stored(self, obj: Any, returned: Any) -> Mapping[str, Sequence[Row]] | None:
        """What is in a pipeline, an index, a store, or in nodes, by the name of its place.

        ``None``: ``obj`` is nothing that holds rows. ``returned`` is what the ingestion gave back.

        Raises:
            UnreadError: it holds rows that cannot be read.
        """
        return None


__all__ = ["Ingests", "Row", "Text", "UnreadError", "Vector", "Way", "row"]

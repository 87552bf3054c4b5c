"""What ``--ingest`` measures: a target that ingests, made out and given its documents."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ayo_bridge.adapter import adapters
from ayo_bridge.bench.documents import Corpus, Documents
from ayo_bridge.bench.places import Place, Source, StoredShows, made_by
from ayo_bridge.bench.wrong import BenchError
from ayo_bridge.lift.entry import Entry, Kind
from ayo_bridge.lift.functions import called_of, original_of
from ayo_bridge.lift.ingests import Ingests, Text, Way
from ayo_bridge.lift.shows import Given, Shows
from ayo_bridge.verify.arms import kind_called
from ayo_bridge.verify.target import Loaded, Question, no_entry

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED: Final = (
    "name a pipeline, a function that takes documents, or a function without arguments that makes "
    "a new pipeline or vector store for each run"
)


@dataclass(frozen=True, slots=True)
class Ingesting(Loaded):
    """A target whose ``obj`` is a :class:`Place`."""

    entry: Entry
    made: str
    """The class of what ingests."""
    given_documents: int = 0

    @property
    def shows(self) -> Shows:
        """What was stored."""
        return StoredShows(self.adapter.shows)

    @property
    def what(self) -> str:
        """What ingests."""
        return self.made

    def call(self, obj: Any) -> tuple[Callable[..., Any], Kind]:
        """A run of a place."""
        return obj.ingest, self.entry.kind

    def key(self, key: Hashable) -> Hashable:
        """A request without what is drawn for each run: the number of an engine that was made for
        it, and the ids of what is written."""
        match key:
            case (str(engine), "add", tuple(ids)):
                return _unnumbered(engine), "add", len(ids)
            case (str(engine), *rest):
                return _unnumbered(engine), *rest
        return key

    def given(self, question: Question) -> Given:
        """All documents at once."""
        return Given((question,), {})

    @property
    def corpus(self) -> Corpus:
        """What the runs so far have come to."""
        source = self.obj.source
        return Corpus(self.given_documents, source.chunks, tuple(source.notes))


def ingesting(
    obj: Any, name: str, texts: Sequence[Text], entry: str = ""
) -> tuple[Ingesting, Documents]:
    """What ingests, and its documents.

    Args:
        obj: a pipeline without stores of its own, a function that takes documents, or one without
            arguments that makes a pipeline, a vector store or a function that ingests.
        name: of the target.
        entry: the method to call, if it is no function.

    Raises:
        BenchError: it is none of these, or which documents it takes is not known.
    """
    source, first = _source(original_of(obj), name, entry)
    way = source.way(first)
    known = _known(first, entry)
    documents = _documents(first, name, texts) if known is None else known[0].documents(texts)
    adapter = next(each for each in adapters() if each.accepts(way.target))
    what = type(first).__name__
    return Ingesting(Place(source), adapter, way.entry, what, len(texts)), Documents(documents)


def _unnumbered(engine: str) -> str:
    """The name of an engine without the number by which it is told from others of that name."""
    return re.sub(r"#\d+$", "", engine)


def _source(obj: Any, name: str, entry: str) -> tuple[Source, Any]:
    """What makes the objects of the runs, and a first of them."""

    def way(made: Any) -> Way:
        return _way(made, name, entry)

    known = _known(obj, entry)
    if known is not None:
        if known[1].again is None:
            raise BenchError(_shared(name, obj, known[1].shared))
        return Source(name, known[1].again, way), obj
    if not _is_function(obj):
        raise BenchError(_unfit(obj, name, entry))
    if _first(obj) is None:
        if kind_called(_inner(obj)) is not Kind.CALL:
            raise BenchError(f"{name} is asynchronous and takes no documents: {_NAMED}")
        return Source(name, obj, way), made_by(obj, name)
    of = getattr(_inner(obj), "__self__", None)
    if of is not None and (held := _known(of, "")) is not None and held[1].shared:
        raise BenchError(_shared(name, of, held[1].shared))
    return Source(name, lambda: obj, way, anew=False), obj


def _way(obj: Any, name: str, entry: str) -> Way:
    """How an object that was made ingests.

    Raises:
        BenchError: it does not, or would not ingest all.
    """
    known = _known(obj, entry)
    if known is not None:
        way = known[1]
    elif not _is_function(obj) or _first(obj) is None:
        raise BenchError(_unfit(obj, name, entry))
    elif entry:
        raise BenchError(no_entry(obj, name))
    else:
        called = Entry(getattr(_inner(obj), "__name__", "call"), kind_called(_inner(obj)))
        way = Way(obj, called, lambda function, documents: function(documents))
    if way.stale:
        raise BenchError(f"{name} is a {type(obj).__name__}, and {way.stale}")
    return way


def _known(obj: Any, entry: str) -> tuple[Ingests, Way] | None:
    """How an object of a framework ingests."""
    found = ((each.ingests, each.ingests.way(obj, entry)) for each in adapters())
    return next(((ingests, way) for ingests, way in found if way is not None), None)


def _is_function(obj: Any) -> bool:
    """Whether it is called itself: no framework knows its entries."""
    adapter = next((each for each in adapters() if each.accepts(obj)), None)
    return adapter is not None and not adapter.bases


def _inner(obj: Any) -> Any:
    """What a partial calls; of an object its method."""
    while isinstance(obj, partial):
        obj = obj.func
    return called_of(obj)


def _first(function: Any) -> inspect.Parameter | None:
    """The parameter that documents are given to; ``None``: it can be called without any."""
    for each in inspect.signature(function).parameters.values():
        if each.kind in _POSITIONAL and each.default is each.empty:
            return each
    return None


def _documents(function: Any, name: str, texts: Sequence[Text]) -> list[Any]:
    """Documents as a function takes them: as its annotation says, else of what is imported."""
    taken = [*_classes(_annotation(function))]
    every = [each.ingests for each in adapters()]
    for ingests in every:
        if any(cls.__module__.startswith(ingests.packages or "?") for cls in taken):
            return ingests.documents(texts)
    if str in taken:
        return [each.text for each in texts]
    found = [each for each in every if each.loaded()]
    if len(found) > 1:
        raise BenchError(
            f"{name} may take documents of either framework: annotate its first parameter, as in "
            "documents: list[Document]"
        )
    return found[0].documents(texts) if found else [each.text for each in texts]


def _annotation(function: Any) -> Any:
    first = _first(function)
    assert first is not None, "it takes documents"
    try:
        hints = typing.get_type_hints(_inner(function))
    except Exception:  # What it names may be imported for types only.
        return None
    return hints.get(first.name)


def _classes(annotation: Any) -> Iterator[type]:
    """Those that an annotation names, in whatever they are contained."""
    if isinstance(annotation, type):
        yield annotation
    for each in typing.get_args(annotation):
        yield from _classes(each)


def _shared(name: str, obj: Any, why: str) -> str:
    return (
        f"{name} is of one {type(obj).__name__}, and {why}: name a function without arguments that "
        "makes a new one for each run"
    )


def _unfit(obj: Any, name: str, entry: str) -> str:
    if entry and _known(obj, "") is not None:
        return f"{name} has no entry {entry} that ingests"
    what = f"an object of type {type(obj).__name__}"
    return f"{name} is, or makes, {what}, which does not ingest: {_NAMED}"


__all__ = ["Ingesting", "ingesting"]

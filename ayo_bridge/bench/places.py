"""Where an arm ingests: made anew for each run, and read afterwards."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ayo_bridge.adapter import adapters
from ayo_bridge.api import accelerate
from ayo_bridge.bench.memory import Peak
from ayo_bridge.bench.wrong import BenchError
from ayo_bridge.errors import NotAcceleratedWarning
from ayo_bridge.lift.entry import Kind
from ayo_bridge.lift.functions import function_state
from ayo_bridge.lift.ingests import Row, UnreadError, Way
from ayo_bridge.lift.shows import Shows
from ayo_bridge.lift.subclass import state_of
from ayo_bridge.observe.wording import counted
from ayo_bridge.runahead import AcceleratedState
from ayo_bridge.runtime import Runtime
from ayo_bridge.verify.alike import alike

Rows = Mapping[str, Sequence[Row]]
_NOTHING: Final = "it returns nothing that shows what it stored, so only requests are compared"


class Spent(NamedTuple):
    """What a run took: seconds, those of cores, and bytes beyond what there was (if known)."""

    wall: float
    cpu: float
    memory: int | None


@dataclass(slots=True)
class Source:
    """What makes the objects that ingest, and what is known of what they have stored.

    Args:
        name: of the target.
        make: returns an object that ingests.
        way: how such an object does.
        anew: whether what ``make`` returns has a place of its own, which has to be empty.
    """

    name: str
    make: Callable[[], Any]
    way: Callable[[Any], Way]
    anew: bool = True
    chunks: int | None = None
    """How many rows the last run stored."""
    notes: dict[str, None] = field(default_factory=dict)
    """What could not be compared, and why."""
    _known: list[object] = field(default_factory=list)

    def once(self, stored: object) -> object:
        """What was stored before, if this is the same: so much is not to be kept for each run."""
        for each in self._known:
            if alike(each, stored):
                return each
        self._known.append(stored)
        return stored


class _Run(NamedTuple):
    """A run that can begin: the object, how it ingests, and what is called for that."""

    obj: Any
    way: Way
    target: Any
    peak: Peak


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of a run."""

    place: Place
    obj: Any
    returned: Any


class Place:
    """Ingests, each time into a place that was made for it; with a ``runtime``, accelerated.

    What is accelerated is made anew, too, and knows nothing of the run before. Only a function that
    sees to its own place stays the same.
    """

    def __init__(self, source: Source, runtime: Runtime | None = None) -> None:
        self.source = source
        self._runtime = runtime
        self._ready: _Run | None = None
        self._function: tuple[Any, Any] | None = None
        """One that sees to its own place, and what it is accelerated."""
        self._state: AcceleratedState | None = None
        self.spent: Spent | None = None
        """What the last run took."""

    def by(self, runtime: Runtime) -> Place:
        """The same, accelerated; what is to be said of that is said now."""
        fast = Place(self.source, runtime)
        fast._ready = fast._prepared()
        return fast

    @property
    def state(self) -> AcceleratedState | None:
        """What is known of the last run; ``None``: it was not accelerated.

        The object itself is not kept: its store would live beside the next one.
        """
        return self._state

    @property
    def awaited(self) -> bool:
        """Whether the next run is."""
        return self._ready is not None and self._ready.way.entry.kind is Kind.AWAIT

    def begin_anew(self) -> None:
        """Make the object of the next run, and its place, unless they are there.

        Raises:
            BenchError: it cannot be made, or its place is not empty.
        """
        if self._ready is not None:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotAcceleratedWarning)  # It was said before.
            self._ready = self._prepared()

    def _prepared(self) -> _Run:
        source = self.source
        obj = made_by(source.make, source.name)
        way = source.way(obj)
        if source.anew:
            _empty(source.name, obj)
        target = way.target if self._runtime is None else self._faster(way.target, self._runtime)
        self._state = state_of(target) or function_state(target)
        return _Run(obj, way, target, Peak())

    def _faster(self, target: Any, runtime: Runtime) -> Any:
        if self.source.anew:
            return accelerate(target, runtime=runtime)
        if self._function is None or self._function[0] is not target:
            self._function = target, accelerate(target, runtime=runtime)
        return self._function[1]

    def ingest(self, documents: Any) -> Any:
        """A run; what it gives is read by :meth:`rows`. Awaited where the object's entry is."""
        run = self._ready or self._prepared()
        self._ready = None
        if run.way.entry.kind is Kind.AWAIT:
            return self._awaited(run, documents)
        with self._metered(run.peak):
            returned = run.way.call(run.target, documents)
        return Ingested(self, run.obj, returned)

    async def _awaited(self, run: _Run, documents: Any) -> Ingested:
        with self._metered(run.peak):
            returned = await run.way.call(run.target, documents)
        return Ingested(self, run.obj, returned)

    @contextmanager
    def _metered(self, peak: Peak) -> Iterator[None]:
        began, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            wall, cores = time.perf_counter() - began, time.process_time() - cpu
            self.spent = Spent(wall, cores, peak.bytes())


class StoredShows(Shows):
    """What a run stored is what it says; all else is as ``inner`` has it."""

    def __init__(self, inner: Shows) -> None:
        self._inner = inner

    def hush(self) -> None:
        """As of the framework."""
        self._inner.hush()

    def shown(self, result: Any) -> object:
        """Rows by their place, and else what a function returned."""
        if not isinstance(result, Ingested):
            return self._inner.shown(result)
        source = result.place.source
        notes = source.notes
        found = {**read(result.returned, None, notes), **read(result.obj, result.returned, notes)}
        if found:
            source.chunks = max(map(len, found.values()))
        elif (said := self._inner.shown(result.returned)) is not None:
            return source.once(said)
        else:
            source.notes[_NOTHING] = None
        return source.once(found)


def made_by(make: Callable[[], Any], name: str) -> Any:
    """What the application makes.

    Raises:
        BenchError: it raised.
    """
    try:
        return make()
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise BenchError(f"{name} could not make what ingests: {what}") from error


def read(obj: Any, returned: Any, notes: dict[str, None]) -> Rows:
    """What an object holds, if it is known to hold rows; what cannot be read is noted."""
    for adapter in adapters():
        try:
            found = adapter.ingests.stored(obj, returned)
        except UnreadError as error:
            notes[f"{error}, and was not compared"] = None
            return {}
        if found is not None:
            return found
    return {}


def _empty(name: str, obj: Any) -> None:
    """See that nothing is there before a run.

    Raises:
        BenchError: there is.
    """
    for place, rows in read(obj, None, {}).items():
        if rows:
            raise BenchError(
                f"the {place} that {name} makes holds {counted(len(rows), 'row')} before anything "
                "is ingested: have it make an empty one each time"
            )


__all__ = ["Ingested", "Place", "Rows", "Source", "Spent", "StoredShows", "made_by", "read"]

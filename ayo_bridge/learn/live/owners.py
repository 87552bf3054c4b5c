"""By whom calls are made at each site: nothing goes ahead under anybody else's name."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from ayo_bridge.learn.growing import Grows
from ayo_bridge.learn.live.remote import VARIABLE, is_remote, wanted
from ayo_bridge.learn.tracing.sites import Site
from ayo_bridge.schedule.limits import START
from ayo_bridge.seam import Answer, BoundaryCall, Call, Fields, Told, new_lock

_MODELS: Final = ("embedding", "rerank")
_TOLERATED: Final = 1
"""So often what was there ahead may have been asked in another manner: a key is renewed now and
then, and a call may be under way."""
"""What has no tenants, where it is a model in this process."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a site's calls are made: by a client, model or store that is still alive, or was."""

    owner: Callable[[], object | None]
    manner: Hashable
    remake: Callable[[Any, Fields], Call]
    answer: Callable[[Any], Answer]
    when_complete: Callable[[Any, Callable[[], None]], None]
    engine: str = ""
    warm: Callable[[Any, str], Call] | None = None
    somebodys: bool = True
    """Whether another owner could stand for another tenant: not so of a model in this process."""
    named: Hashable = None
    """What may say, beside the owner, for whom it is asked."""
    streams: bool = False
    """Whether the original reads answers while they are written."""
    grows: Callable[[Call, Told], Call] | None = None
    """Has the answer of a call that is made ahead told while it is written."""
    cut: Callable[[Call, int, Callable[[Answer], None]], Call] | None = None
    """Has a call that is made ahead computed in parts, and what they say told."""

    def call(self, fields: Fields) -> Call:
        """The engine call for a request.

        Raises:
            ValueError: it cannot be made ahead.
        """
        owner = self.owner()
        if owner is None:
            raise ValueError("by whom it was made is gone")
        return self.remake(owner, fields)

    def warming(self, beginning: str) -> Call | None:
        """The prefix warm for a request that begins so; ``None``: none is made."""
        owner = self.owner()
        if owner is None or self.warm is None:
            return None
        try:
            return self.warm(owner, beginning)
        except ValueError:
            return None


def way_of(call: BoundaryCall) -> Way | None:
    """How a call is made; ``None``: not so that one like it could be made ahead."""
    if call.remake is None or (is_remote(call.server) and not wanted()):
        return None
    try:
        owner = weakref.ref(call.owner)
    except TypeError:
        return None
    somebodys = not call.anybodys and (bool(call.server) or call.kind not in _MODELS)
    return Way(
        owner,
        call.manner,
        call.remake,
        call.answer,
        call.when_complete,
        call.engine,
        call.warm,
        somebodys,
        call.named,
        call.streams,
        call.grows,
        call.cut,
    )


def _why_not(call: BoundaryCall) -> str:
    if call.remake is not None and is_remote(call.server):
        return f"what {call.server} is asked in vain may cost money: {VARIABLE}=1 allows it"
    return "its requests are not made ahead"


class Owners:
    """What all calls so far have in common, by site. Thread-safe.

    ``otherwise`` says how often a site has asked for what was there in another manner: under a key
    that its client had not yet, for one. That is remembered also where all else is forgotten.
    """

    def __init__(self, otherwise: Mapping[str, int] = MappingProxyType({})) -> None:
        self._lock = new_lock()
        self.otherwise = Counter(otherwise)
        self._ways: dict[str, Way | str] = {}
        """A text says why nothing is made ahead there before the call itself has come there."""
        self._stores: dict[tuple[str, str], Way] = {}
        """How each store is searched at a site, by the name of its engine."""
        self._given: set[str] = set()
        """Sites whose owner was among what a call was given."""
        self._varying: set[str] = set()
        """Sites at which one call has named several headers or queries."""
        self.frames: dict[str, tuple[str, ...]] = {}
        """Where each site is, for people."""
        self._calls: dict[str, tuple[bytes, ...]] = {}
        """The calls that led to each site, innermost first."""

    def saw(self, site: Site, call: BoundaryCall, given: Container[int] = frozenset()) -> None:
        """A call was made at a site; ``given`` are the ids of what its entry was given."""
        with self._lock:
            if id(call.owner) in given:
                self._given.add(site.id)
            if call.kind == "search" and (way := way_of(call)) is not None:
                self._stores.setdefault((site.id, call.engine), way)
            before = self._ways.get(site.id)
            if isinstance(before, str):
                return
            if before is None:
                self.frames[site.id] = site.frames
                self._calls[site.id] = site.calls
                self._ways[site.id] = way_of(call) or _why_not(call)
            elif before.owner() is not call.owner:
                several = "several stores are searched there"
                own = "each call has a client of its own"
                self._ways[site.id] = several if call.kind == "search" else own
            elif call.remake is None or before.manner != call.manner:
                self._ways[site.id] = "its calls differ in more than the request"

    def named_several(self, site: str) -> None:
        """One call has named several headers or queries at a site: an id for each request."""
        self._varying.add(site)

    def asked_otherwise(self, site: str) -> None:
        """A call has asked what was made ahead there, and not in the manner that it was made in."""
        with self._lock:
            self.otherwise[site] += 1

    def names_several(self, site: str) -> bool:
        """Whether a call may name several headers or queries there: the next is not known."""
        return site in self._varying or self.otherwise[site] > _TOLERATED

    def shared(self, site: str, given: Container[int] = frozenset()) -> Way | None:
        """How all calls of a site were made, if they were all made so.

        Where that was by a client which they were given, a call has to be ``given`` it, too.
        """
        way = self._ways.get(site)
        if not isinstance(way, Way):
            return None
        return way if site not in self._given or id(way.owner()) in given else None

    def vain(self, sites: Iterable[str], given: Container[int] = frozenset()) -> frozenset[str]:
        """Those of some sites at which it is nobody's matter whether it is asked."""
        ways = ((site, self.shared(site, given)) for site in sites)
        return frozenset(site for site, way in ways if way is not None and not way.somebodys)

    def calls(self, site: str) -> tuple[bytes, ...]:
        """The calls of the program that led to a site, innermost first; empty: none was seen."""
        return self._calls.get(site, ())

    def grows(self, best_batch: Callable[[str], int | None] = lambda engine: None) -> Grows:
        """The sites whose results can be seen in parts, as far as calls show.

        ``best_batch`` is b* of an engine, if that is known.
        """
        ways = [(site, way) for site, way in list(self._ways.items()) if isinstance(way, Way)]
        return Grows(
            frozenset(site for site, way in ways if way.streams),
            frozenset(site for site, way in ways if way.grows is not None and not way.streams),
            {
                site: best
                for site, way in ways
                if way.cut is not None and (best := best_batch(way.engine)) is not None
            },
            START,
        )

    def engine(self, site: str) -> str:
        """The name of the engine that calls of a site ask; empty where that is not known."""
        way = self._ways.get(site)
        return way.engine if isinstance(way, Way) else ""

    def of(self, site: str) -> Way | str:
        """How all calls of a site were made so far, or why that is not known."""
        return self._ways.get(site, "")

    def store(self, site: str, engine: object) -> Way | None:
        """How the store of an engine is searched at a site; ``None``: it was not searched there.

        A request names its store itself: where several are searched, none is taken for another.
        """
        return self._stores.get((site, engine)) if isinstance(engine, str) else None

    def why_not(self, site: str) -> str:
        """Why nothing is made ahead before a call itself has come to the site; empty if it is."""
        if self.otherwise[site] > _TOLERATED:
            return "its client had other headers by then, a key perhaps, than what was made ahead"
        way = self._ways.get(site, "")
        return way if isinstance(way, str) else ""

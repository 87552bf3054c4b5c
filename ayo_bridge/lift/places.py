"""Parts that are followed while they run: each use of one has a place in the graph.

A part that the template has no (more) place for, as one inside a function or in a loop, makes the
graph grow when the original comes to it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ayo_bridge.lift.lifted import Asked, Draft, MakerOf
from ayo_bridge.lift.parts import Parts
from ayo_bridge.lift.recognise import PLAIN, Recogniser, is_a, loaded
from ayo_bridge.runahead import AcceleratedState, Maker, Scope
from ayo_bridge.schedule import ComponentOp


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One use of a part in a graph, by the values that the taps feed."""

    part: Any
    """A retriever, most often."""
    question: str
    """The value its query is fed as."""
    ends: tuple[tuple[str, str], ...]
    """The components that it ends with, each with its value."""
    made: tuple[str, ...] = ()
    """The values that are there once it has returned."""
    settled: tuple[str, ...] = ()
    """The values that are there when the original comes to it."""
    asks: str = ""
    """The component in which it asks a model."""
    shared: tuple[tuple[str, Mapping[ComponentOp, MakerOf]], ...] = ()
    """Components that embed the question with one model, with their makers. Though the original
    comes to the first of them at once, that runs ahead, too: made ahead, it serves all."""
    left: tuple[Any, ...] = ()
    """Its parts that are not described: these are followed by themselves, if they are at all."""


class Lift(Protocol):
    """Adds what a part does with the value ``question`` to a draft, or says why not.

    It runs after the components ``after``; ``settled`` are the values of all before it.
    """

    def __call__(
        self,
        draft: Draft,
        part: Any,
        parts: Parts,
        question: str,
        /,
        *,
        sync: bool,
        after: tuple[str, ...] = (),
        settled: tuple[str, ...] = (),
    ) -> Place | str:
        """Lift the part."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A class whose uses have places.

    Args:
        module, name: of the class.
        lift: for an object that behaves exactly as the class does.
        begins: the methods, sync and async, that tell the query before anything is done for it:
            ``method(query, run_manager, ...)``.
        methods: all that decide what it asks of others.
        recogniser: of its framework.
    """

    module: str
    name: str
    lift: Lift
    begins: tuple[str, str]
    methods: tuple[str, ...]
    recogniser: Recogniser = PLAIN

    def describes(self, obj: object) -> bool:
        """Whether ``obj`` is of the class or of one derived from it."""
        return is_a(obj, self.module, self.name)

    def differs(self, part: Any) -> str | None:
        """Why a part of this kind may do something else, or ``None``."""
        known = loaded(self.module, self.name)
        return self.recogniser.differs(part, known, *self.begins, *self.methods)


Running = tuple[object, Place] | None
_running: Final[ContextVar[Running]] = ContextVar("ayo_bridge_place", default=None)
"""The innermost part that is running, and its place in the graph."""


def ended(token: Token[Running]) -> None:
    """The part that began last has returned."""
    _running.reset(token)


class Places:
    """The places of one call. Thread-safe; lives as long as its scope.

    Args:
        kinds: what is followed.
        free: the places that the template has.
    """

    def __init__(
        self,
        scope: Scope,
        state: AcceleratedState,
        asked: Asked,
        kinds: Sequence[Kind],
        free: Iterable[Place],
    ) -> None:
        self.scope = scope
        self.state = state
        self.asked = asked
        self._kinds = kinds
        self._lock = threading.Lock()
        self._free = list(free)
        self._grown = 0
        self._more: frozenset[str] = frozenset()
        """What runs ahead beside what the call began with."""

    def begin(self, place: Place | None, query: str) -> Token[Running]:
        """The original asks ``query`` of a part; undone by :func:`ended`."""
        if place is not None:
            scope = self.scope
            known: dict[str, object] = {v: None for v in place.settled if not scope.knows(v)}
            scope.feed({**known, place.question: query})
            if scope.runtime.run_ahead:
                self._share(place)
        return _running.set(None if place is None else (place.part, place))

    @staticmethod
    def running(part: object) -> Place | None:
        """The place of a part, if that is the one that runs."""
        running = _running.get()
        return running[1] if running is not None and running[0] is part else None

    def place(self, part: object) -> Place | None:
        """The next place of a part; the graph grows if it has none left."""
        with self._lock:
            for index, place in enumerate(self._free):
                if place.part is part:
                    return self._free.pop(index)
            self._grown += 1
            draft = Draft(f"again{self._grown}.")
        kind = kind_of(self._kinds, part)
        if kind is None:
            return None
        question = draft.input(f"{draft.prefix}question")
        found = kind.differs(part) or kind.lift(
            draft, part, Parts(self.state), question, sync=self.asked.sync
        )
        if isinstance(found, str):
            self.scope.note(found)
            return None
        self.grow(draft)
        return found

    def grow(self, draft: Draft) -> None:
        """Let the graph grow by a draft."""
        makers = self.makers(draft.makers)
        plan = self.scope.runtime.planner.plan(draft.template("grown"), makers)
        self._more |= plan.ahead
        self.scope.expand("", plan, {})

    def makers(self, makers: Mapping[ComponentOp, MakerOf]) -> dict[ComponentOp, Maker]:
        """The makers of this call."""
        return {key: make(self.asked) for key, make in makers.items()}

    def _share(self, place: Place) -> None:
        """Have equal embeddings made once, where the plan leaves the first to the original."""
        scope = self.scope
        planned = scope.plan.ahead | self._more
        alone = [each for each in place.shared if f"{each[0]}.embed" not in planned]
        if not alone:
            return
        graph, profiles = scope.record.settled().e_graph, scope.runtime.profiles.profiles()
        for name, makers in alone:
            primitive = graph.primitives.get(f"{name}.embed")
            seconds = None if primitive is None else profiles.seconds(primitive)
            if seconds is None or seconds > 2 * scope.runtime.client.call_seconds:
                scope.add_makers(self.makers(makers))
                scope.run_ahead(f"{name}.embed")


def kind_of(kinds: Sequence[Kind], obj: object) -> Kind | None:
    """The kind of an object; ``None``: it is not followed."""
    return next((kind for kind in kinds if kind.describes(obj)), None)

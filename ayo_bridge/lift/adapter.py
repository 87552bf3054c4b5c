"""What an adapter of a framework is: rows, and the few functions that need code.

``accelerate`` is the same for every framework: it puts the bindings on, lifts the object to see
what can be done for it, and returns a copy whose entry points open scopes.
"""

from __future__ import annotations

import logging
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol

from ayo_bridge.bindings.binding import Binding
from ayo_bridge.errors import NotAcceleratedWarning
from ayo_bridge.events import Event, Facts, log
from ayo_bridge.graph import Component, Opaque, Synthesis, Template
from ayo_bridge.lift.asking import ABSENT, Asking, Given, Making
from ayo_bridge.lift.entries import Base, Entry, Kind, entry_methods
from ayo_bridge.lift.ingests import Ingests
from ayo_bridge.lift.lifted import Asked, Lifted
from ayo_bridge.lift.recognise import class_of
from ayo_bridge.lift.shows import Shows
from ayo_bridge.lift.subclass import Methods, Owner, accelerated, convert
from ayo_bridge.runahead import AcceleratedState, Scope
from ayo_bridge.runahead.home import Home

Again = Callable[..., Any]
_logger: Final = logging.getLogger(__name__)


class Accelerator(Protocol):
    """What the core asks of an adapter."""

    name: ClassVar[str]
    stores: ClassVar[Sequence[Binding]]
    helpers: ClassVar[Sequence[Binding]]
    bases: ClassVar[Sequence[Base]]
    ingests: ClassVar[Ingests]

    def accepts(self, obj: object) -> bool:
        """Whether ``obj`` can be accelerated."""

    def accelerate(self, obj: Any, runtime: Home, again: Again, *, quiet: bool = False) -> Any:
        """Return an object of the same type whose calls run ahead."""

    def attach(self, obj: Any, runtime: Home) -> tuple[AcceleratedState, Methods] | str:
        """The state and the methods of an object that stays itself; or why there are none."""

    def followed(self) -> Sequence[Binding]:
        """All that it puts on."""

    @property
    def shows(self) -> Shows:
        """What is known of its objects that are run once more to be verified."""

    def asks(self, obj: Any, steps: Sequence[str], awaited: bool) -> Asking | None:
        """What a call of an object of the framework asks by (:class:`.asking.Asked`)."""

    def makes(self, obj: Any, steps: Sequence[str], given: Given) -> Making | None:
        """What a call of the framework's makers comes to (:class:`.asking.Makes`)."""

    def reads(self, obj: Any, name: str) -> Any:
        """What a property of the framework's objects gives (:class:`.asking.Reads`)."""


class Adapter(ABC):
    """Lifts the objects of one framework.

    Attributes:
        name: as ``explain`` names it.
        required: bindings of the framework itself: without one of them nothing can be followed.
        bindings: bindings of engines and stores; each is skipped where its library is missing.
        stores: those of the framework's own stores, which any program may use.
        helpers: those of the framework's helpers whose results any learned call may be made of.
        bases: the base classes of what applications call.
    """

    name: ClassVar[str]
    required: ClassVar[Sequence[Binding]] = ()
    bindings: ClassVar[Sequence[Binding]] = ()
    stores: ClassVar[Sequence[Binding]] = ()
    helpers: ClassVar[Sequence[Binding]] = ()
    bases: ClassVar[Sequence[Base]] = ()

    @abstractmethod
    def accepts(self, obj: object) -> bool:
        """Whether ``obj`` belongs to the framework and can be accelerated. Cheap, imports nothing
        when the framework is not loaded."""

    def asks(self, obj: Any, steps: Sequence[str], awaited: bool) -> Asking | None:
        """What a call of an object of the framework asks by (:class:`.asking.Asked`)."""
        return None

    def makes(self, obj: Any, steps: Sequence[str], given: Given) -> Making | None:
        """What a call of the framework's makers comes to (:class:`.asking.Makes`)."""
        return None

    def reads(self, obj: Any, name: str) -> Any:
        """What a property of the framework's objects gives (:class:`.asking.Reads`)."""
        return ABSENT

    remembers: ClassVar[bool] = False
    """Whether glue of the framework is remembered in calls that are seen."""

    @abstractmethod
    def entries(self, base: type) -> Sequence[Entry]:
        """The methods of a class that users call."""

    @abstractmethod
    def asked(self, entry: Entry, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Asked | None:
        """What a call asks for; ``None`` leaves it to the original."""

    @abstractmethod
    def lift(self, obj: Any, state: AcceleratedState, asked: Asked) -> Lifted:
        """Lift ``obj`` for calls of this shape. Reads it, calls nothing of it."""

    shows: ClassVar[Shows] = Shows()
    """What is known of its objects that are run once more to be verified."""

    ingests: ClassVar[Ingests] = Ingests()
    """What is known of ingestion with it."""

    def returned(self, result: Any, scope: Scope) -> Any:
        """What a call returns to its caller. Closes the scope."""
        scope.close()
        return result

    def learned(
        self, obj: Any, state: AcceleratedState, entries: Sequence[Entry]
    ) -> Methods | None:
        """The methods by which entries are learned that lifting can do nothing for.

        ``None``: the adapter does not learn.
        """
        return None

    def methods(self, base: type) -> Mapping[str, Callable[..., Any]]:
        """Further methods that are replaced, to make the copy behave as the original does."""
        return {}

    def accelerate(self, obj: Any, runtime: Home, again: Again, *, quiet: bool = False) -> Any:
        """Return an object of the same type whose calls run ahead.

        ``again(obj, runtime)`` accelerates copies; of these it was said before what cannot be done,
        so they are ``quiet``.

        Warns:
            NotAcceleratedWarning: nothing can be done for the object, and why. If its framework
                cannot be followed, ``obj`` itself is returned.
        """
        reason = self._install(runtime.verify)
        if reason is not None:
            _warn(f"{type(obj).__name__} is returned as it is: {reason}")
            return obj
        state, methods = self._prepared(obj, runtime, again, quiet)
        return accelerated(obj, state, methods)

    def convert(self, obj: Any, runtime: Home, again: Again) -> None:
        """Accelerate in place an object that nobody else has seen yet."""
        convert(obj, *self._prepared(obj, runtime, again, True))

    def attach(self, obj: Any, runtime: Home) -> tuple[AcceleratedState, Methods] | str:
        """The state and the methods of an object that stays itself; or why there are none.

        Nothing is changed in the object, and copies of it are plain.
        """
        reason = self._install(runtime.verify)
        return reason if reason is not None else self._prepared(obj, runtime, _itself, True)

    def followed(self) -> Sequence[Binding]:
        """All that it puts on."""
        silencers = self.shows.silencers or ()
        return (*self.required, *self.bindings, *self.helpers, *self.stores, *silencers)

    def _install(self, verify: float) -> str | None:
        for binding in self.required:
            if not binding.install():
                return binding.status
        for binding in (*self.bindings, *self.helpers):
            binding.install()
        if verify:  # Before anything is lifted: a lift holds as long as no wrapper goes on.
            self.shows.verifiable()
        return None

    def _prepared(
        self, obj: Any, runtime: Home, again: Again, quiet: bool
    ) -> tuple[AcceleratedState, Methods]:
        base = type(obj)
        state = AcceleratedState(self.name, base.__name__, runtime, Template(()), again)
        state.remembers, state.shows = self.remembers, self.shows
        entries = self.entries(base)
        first = next((entry for entry in entries if entry.kind is Kind.CALL), entries[0])
        lifted = self.lift(obj, state, Asked(first.sync))
        state.template = lifted.template
        if not lifted.template.components:  # No engine can be reached: nothing is to be seen.
            entries = ()
        unhelped = [entry for entry in entries if not _helps(lifted, entry)]
        learns = unhelped and os.environ.get("AYO_LEARN") != "0"
        learned = self.learned(obj, state, unhelped) if learns else None
        if learned is None:
            unhelped = []
        elif len(unhelped) == len(entries):
            state.template = Template((), inputs=(), name=lifted.template.name)
            parts = (each for each in lifted.template.components if isinstance(each, Opaque))
            state.opaque = tuple((each.name, each.reason) for each in parts if each.reason)
        if not lifted.followed and not unhelped:
            text = _unhelped(obj, lifted.template.components)
            log(_logger, Event.LEFT_ALONE, text, Facts(target=base.__name__, reason=text))
            if not quiet:
                _warn(text)
        kept, own = [each for each in entries if each not in unhelped], self.methods(base)

        def methods(owner: Owner) -> Mapping[str, Callable[..., Any]]:
            by_learning = learned(owner) if learned is not None else {}
            return {**entry_methods(owner, kept, self), **by_learning, **own}

        return state, methods


def _itself(obj: Any, runtime: Home | None = None) -> Any:
    return obj


def _helps(lifted: Lifted, entry: Entry) -> bool:
    """Whether calls of an entry are understood so well that learning them could win no more.

    So it is where lifting can make something ahead, and where one model is asked for one input, of
    what is known.
    """
    if lifted.leads:
        return True
    components = lifted.template.components
    known = all(not isinstance(each, Opaque) or each.pure for each in components)
    asks = sum(isinstance(each, Synthesis) for each in components)
    return known and asks <= 1 and not entry.many


def _unhelped(obj: Any, components: Sequence[Component]) -> str:
    name = class_of(obj).__name__
    reasons = [c.reason for c in components if isinstance(c, Opaque) and c.reason]
    why = "; ".join(dict.fromkeys(reason.removeprefix(f"{name}: ") for reason in reasons))
    return (
        f"nothing can be done for this {name}: {why or 'no engine is in it'}. Accelerate the part "
        "whose engines are known (a retriever, a query engine or a chain inside of it) instead"
    )


def _warn(text: str) -> None:
    warnings.warn(text, NotAcceleratedWarning, stacklevel=5)

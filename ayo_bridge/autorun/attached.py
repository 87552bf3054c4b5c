"""Objects that are accelerated where they stand: each keeps its identity, class and attributes.

What belongs to an object is kept beside it, for as long as it lives.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final

from ayo_bridge.adapter import adapters
from ayo_bridge.autorun.remembered import REMEMBERED
from ayo_bridge.bindings.binding import beneath
from ayo_bridge.bindings.monkey import patched
from ayo_bridge.errors import ArgumentError
from ayo_bridge.events import Event, Facts, log
from ayo_bridge.lift.hooked import below
from ayo_bridge.runahead import AcceleratedState
from ayo_bridge.runtime import Runtime, default_runtime

_logger: Final = logging.getLogger(__name__)
Method = Callable[..., Any]


class Attached:
    """What is kept beside one object."""

    __slots__ = ("methods", "own", "used", "whose")

    def __init__(self, whose: Callable[[], Any]) -> None:
        self.whose = whose
        self.own: AcceleratedState | None = None
        self.used = monotonic()
        """When it was called last."""
        self.methods: Mapping[str, Method] = {}
        """Its entries, to be called with the object: nothing, while they are being made."""

    def original(self, obj: Any, name: str) -> Method:
        """The method of its class, below our hook and what bindings have put over that."""
        found: Method = below(beneath(getattr_of(type(obj), name))).__get__(obj, type(obj))
        return found

    def like(self, name: str) -> Method:
        """The method as its class has it."""
        found: Method = getattr(type(self.whose()), name)
        return found

    def state(self, obj: Any) -> AcceleratedState | None:
        """The state that is kept."""
        return self.own


def getattr_of(cls: type, name: str) -> Any:
    """What stands under a name in a class or the first of its bases that has it; not bound."""
    for each in cls.__mro__:
        if name in vars(each):
            return vars(each)[name]
    raise AttributeError(f"{cls.__name__} has no {name}")


_attached: Final[dict[int, Attached]] = {}


def attached_to(obj: Any, *, remember: bool = False) -> Attached | None:
    """What is kept beside an object, made at its first call; ``None``: nothing can be."""
    key = id(obj)
    known = _attached.get(key)
    if known is not None and known.whose() is obj:
        known.used = monotonic()
        return known

    def forget(whose: Any) -> None:
        if (there := _attached.get(key)) is not None and there.whose is whose:
            _attached.pop(key, None)

    try:
        made = Attached(weakref.ref(obj, forget))
    except TypeError:
        return None
    # Known before it is whole: other threads, and calls that lifting might make, go alone until it
    # is. So no lock is held while foreign objects are read.
    _attached[key] = made
    _let_go_of_idle()
    try:
        _fill(made, obj)
    except Exception as error:
        name = type(obj).__name__
        facts = Facts(target=name, reason=repr(error))
        log(_logger, Event.LEFT_ALONE, f"a {name} is left as it is", facts, failure=error)
    if made.own is not None and remember:
        REMEMBERED.add(made.own)
    return made


def _fill(made: Attached, obj: Any) -> None:
    name = f"{type(obj).__module__}.{type(obj).__qualname__}"
    reason = patched()
    adapter = next((each for each in adapters() if each.accepts(obj)), None)
    if reason is None and adapter is None:
        reason = "no adapter knows it"
    if reason is None and adapter is not None:
        runtime = _runtime()
        found = runtime if isinstance(runtime, str) else adapter.attach(obj, runtime)
        if not isinstance(found, str):
            made.own, methods = found
            known = methods(made)
            names = {entry for base in adapter.bases for entry in (e.name for e in base.entries)}
            made.methods = {entry: method for entry, method in known.items() if entry in names}
            which = ", ".join(made.methods)
            sentence = f"a {name} is accelerated ({which or 'no entry'})"
            facts = Facts(target=type(obj).__name__, entry=which)
            log(_logger, Event.ACCELERATED, sentence, facts)
            return
        reason = found
    facts = Facts(target=type(obj).__name__, reason=reason)
    log(_logger, Event.LEFT_ALONE, f"a {name} is left as it is: {reason}", facts)


WRONG: Final[set[str]] = set()
"""What was found to be wrong with the environment: each is said once."""


def _runtime() -> Runtime | str:
    """The process's runtime; a string is what is wrong with the environment: there can be none.

    That is the user's to mend, who would wait in vain for anything to be accelerated.
    """
    try:
        return default_runtime()
    except ArgumentError as error:
        reason = str(error)
        if reason not in WRONG:
            WRONG.add(reason)
            sentence = f"nothing is accelerated: {reason}"
            log(_logger, Event.SWITCHED_OFF, sentence, Facts(reason=reason))
        return reason


_IDLE: Final = 10.0
"""Seconds after which an object is taken to be used no longer."""
_last_look: Final = [0.0]


def _let_go_of_idle() -> None:
    """Forget what idle objects were lifted to: it may hold them, and they would never be freed.

    One that is called again is lifted again. Looks once a second at the most, and only where
    objects keep being made.
    """
    now = monotonic()
    if now - _last_look[0] < min(1.0, _IDLE):
        return
    _last_look[0] = now
    for each in [*_attached.values()]:
        if each.own is not None and now - each.used >= _IDLE:
            each.own.lifts.clear()


def known_state(obj: object) -> AcceleratedState | None:
    """The state kept beside an object, if there is one."""
    known = _attached.get(id(obj))
    return known.own if known is not None and known.whose() is obj else None


def forget_all() -> None:
    """Let go of everything that is kept."""
    _attached.clear()
    REMEMBERED.forget()


def _forked() -> None:
    """In a child: what a thread of the parent was lifting at that moment is lifted again."""
    for key, each in [*_attached.items()]:
        if each.own is None or not each.methods:
            _attached.pop(key, None)
        else:
            each.own.forget_calls()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

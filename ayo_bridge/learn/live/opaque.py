"""Opaque parts of lifted objects: what they ask is learned, inside of the calls of the object.

Lifting leads where it knows a part, from the first call on; what it knows nothing of is followed by
itself, from its own arguments to what it returns. So no engine call is made ahead by both.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.graph import Template
from ayo_bridge.learn.live.entry import signature_of
from ayo_bridge.learn.live.kept import kept_of_methods
from ayo_bridge.learn.live.learned import Learned
from ayo_bridge.learn.live.words import learning
from ayo_bridge.lift.recognise import class_of
from ayo_bridge.runahead import AcceleratedState, Learning
from ayo_bridge.seam import new_lock

_MOST: Final = 64
"""So many methods of parts are learned for one object: some make their parts anew for each call."""


Own = Callable[[Any], Iterable[object]]
"""The clients and stores that every call of an object uses."""


@dataclass(frozen=True, slots=True)
class LearnedPart:
    """A method of a part, as it is learned.

    ``part`` returns the part, as long as it lives. ``own`` are the clients and stores that every
    call of it uses, whatever it is given.
    """

    part: Callable[[], object | None]
    learned: Learned
    own: Own


class OpaqueParts:
    """What is learned of the opaque parts of one accelerated object. Thread-safe.

    Each part has a state of its own: what is predicted of it is judged by its own calls. ``own``
    makes what finds the clients of one part.
    """

    def __init__(self, state: AcceleratedState, own: Callable[[], Own]) -> None:
        self._state = state
        self._own = own
        self._lock = new_lock()
        self._known: dict[tuple[int, str], LearnedPart] = {}
        before = state.learning
        state.learning = lambda: before().with_parts(self._words())

    def learned(self, part: Any, method: str) -> LearnedPart | None:
        """What is learned of a method of a part; ``None``: too many were met."""
        key = id(part), method
        known = self._known.get(key)
        if known is not None and known.part() is part:
            return known
        with self._lock:
            known = self._known.get(key)
            if known is None or known.part() is not part:
                gone = [each for each, its in self._known.items() if its.part() is None]
                for each in gone:
                    del self._known[each]
                if len(self._known) >= _MOST:
                    return None
                learned = self._new(part, method)
                known = self._known[key] = LearnedPart(weakref.ref(part), learned, self._own())
            return known

    def _new(self, part: Any, method: str) -> Learned:
        ours, name = self._state, class_of(part).__name__
        template = Template((), inputs=(), name=name)
        state = AcceleratedState(ours.adapter, name, ours.runtime, template, ours.again)
        state.shows = ours.shows
        kept = kept_of_methods(part, [method], ours.runtime)
        return Learned(state, method, signature_of(getattr(part, method)), kept.get(method))

    def _words(self) -> Learning:
        known = [(each.part(), key[1], each.learned) for key, each in list(self._known.items())]
        return Learning.of_several(
            {
                f"{class_of(part).__name__}.{method}": learning(learned)
                for part, method, learned in known
                if part is not None
            }
        )


_making: Final = new_lock()


def parts_of(state: AcceleratedState, own: Callable[[], Own]) -> OpaqueParts:
    """What is learned of the opaque parts of an accelerated object; ``explain`` says it, too."""
    with _making:
        known = state.parts
        if not isinstance(known, OpaqueParts):
            known = state.parts = OpaqueParts(state, own)
        return known

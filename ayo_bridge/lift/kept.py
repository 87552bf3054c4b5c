"""Lifts that are kept from call to call, as long as all that was looked at is as it was."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from ayo_bridge.lift.lifted import Lifted
from ayo_bridge.lift.witness import Witness, witnessed
from ayo_bridge.runahead import AcceleratedState

_PAUSE: Final = 0.1
"""Seconds for which an object is taken to be as it was, as long as nothing runs ahead."""
_SHAPES: Final = 64
"""So many shapes of calls are kept for an object."""


@dataclass(slots=True)
class _Kept:
    whose: Callable[[], Any]
    witness: Witness
    lifted: Lifted
    asked: float

    def doubtful(self) -> bool:
        """Whether something has changed, so that it may no longer be what the object does."""
        if self.witness.stands():
            return False
        self.asked = -_PAUSE
        return True


def unchanged(obj: Any, state: AcceleratedState, shape: Hashable) -> Callable[[], bool]:
    """Tells later whether ``obj`` still is as it was lifted; where that is not known, it is not."""
    found: _Kept | None = state.lifts.get((shape, state.runtime.generation))
    if found is None or found.whose() is not obj:
        return lambda: False
    return found.witness.stands


def kept(
    obj: Any, state: AcceleratedState, shape: Hashable, lift: Callable[[], Lifted]
) -> tuple[Lifted, Callable[[], bool] | None]:
    """What ``obj`` is lifted to: as it was at an earlier call, if nothing has changed since.

    Whether it has is not asked more often than ten times a second. What is returned beside
    it has to be asked before anything runs ahead.
    """
    key = (shape, state.runtime.generation)
    before: _Kept | None = state.lifts.get(key)
    if before is not None and before.whose() is obj:
        now = perf_counter()
        if now - before.asked < _PAUSE:
            return before.lifted, before.doubtful
        if not before.doubtful():
            before.asked = now
            return before.lifted, None
    with witnessed() as witness:
        lifted = lift()
    if not witness.wavers:
        if len(state.lifts) >= _SHAPES:
            state.lifts.clear()
        state.lifts[key] = _Kept(weakref.ref(obj), witness, lifted, perf_counter())
    return lifted, None

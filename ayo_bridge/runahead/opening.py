"""Opens the scope of a call; a fraction of them is verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ayo_bridge.record.record import CallRecord
from ayo_bridge.runahead.plan import Plan
from ayo_bridge.runahead.scope import Scope
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.seam import entered


def open_scope(
    state: AcceleratedState,
    entry: str,
    plan: Plan,
    doubtful: Callable[[], bool] | None = None,
    *,
    outer: Scope | None = None,
    covers: frozenset[int] = frozenset(),
) -> Scope:
    """The scope of one call of an accelerated object; its record goes to the object's state.

    Inside of an ``outer`` scope it goes to the record of that, too. Who wants spans or metrics of
    the call is told of its end.
    """
    scope = _opened(state, entry, plan, doubtful, outer=outer, covers=covers)
    telemetry = state.runtime.telemetry
    if telemetry is not None and scope.on_finish is not None:
        around = None if outer is None else outer.record
        scope.on_finish = telemetry.follow(state.target, scope.record, around, scope.on_finish)
    return scope


def _opened(
    state: AcceleratedState,
    entry: str,
    plan: Plan,
    doubtful: Callable[[], bool] | None = None,
    *,
    outer: Scope | None = None,
    covers: frozenset[int] = frozenset(),
) -> Scope:
    runtime = state.runtime
    record = CallRecord(
        entry,
        runtime.clock(),
        plan.template,
        plan.p_graph,
        plan.e_graph,
        plan.decisions,
        predicted_gain=plan.predicted_gain,
    )
    if outer is not None:
        outer.record.note_nested(record)
    inside = outer is not None and outer.verified  # Its second run comes through here, too.
    if inside or (runtime.verify and runtime.chance.random() < runtime.verify):
        return _verified(state, entry, plan, record, doubtful, covers, outer)
    scope = Scope(runtime, plan, record, doubtful, covers, outer)
    scope.on_finish = state.note
    return scope


def _verified(
    state: AcceleratedState,
    entry: str,
    plan: Plan,
    record: CallRecord,
    doubtful: Callable[[], bool] | None,
    covers: frozenset[int],
    outer: Scope | None,
) -> Scope:
    # Not imported where nothing is verified.
    from ayo_bridge.runahead.verification import Verification
    from ayo_bridge.runahead.verified import VerifiedScope

    scope = VerifiedScope(state.runtime, plan, record, doubtful, covers, outer)
    if isinstance(outer, VerifiedScope):
        scope.follow(outer.kept)
        scope.kept.states.append(state)
        scope.on_finish = state.note
        return scope
    scope.follow()
    scope.kept.states.append(state)
    scope.verification = Verification(state, entry, scope.kept)
    scope.on_finish = scope.verification.ended
    return scope


def begin(scope: Scope, steps: Callable[[], object]) -> Scope:
    """Have a scope begin by some steps, the first of which may send something ahead.

    Nobody else has the scope yet: where a step fails or is interrupted, it ends here.

    Raises:
        BaseException: what a step raises.
    """
    try:
        steps()
    except BaseException as error:
        scope.record.error = repr(error)
        scope.close()
        raise
    return scope


@contextmanager
def within(scope: Scope) -> Iterator[None]:
    """The original's own call, under its scope: that knows of an error, and ends with the call."""
    try:
        with entered(scope):
            yield
    except BaseException as error:
        scope.record.error = repr(error)
        raise
    finally:
        scope.close()

"""Learned calls that are run once more as the original, to be verified.

Of what is learned nothing is known beforehand. So whatever it reaches is gone through before the
call and after it, and it is run once more only if the call was seen to change and write nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ayo_bridge.lift.entry import Kind
from ayo_bridge.lift.shows import Shows
from ayo_bridge.lift.twice import Second, compare
from ayo_bridge.runahead import Scope


def compared(
    scope: Scope,
    shows: Shows,
    name: str,
    original: Callable[..., Any],
    kind: Kind,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> None:
    """Have a call that was drawn be run once more, if that does no harm, or say why it is not.

    ``name`` is the method of the object that ``original`` is bound to, if it is to one. What is
    raised here is not the call's concern.
    """
    if scope.verification is None:
        return
    try:
        owner = getattr(original, "__self__", None)
        roots: tuple[object, ...] = (original,) if owner is None else (original, owner)
        state: Sequence[object] = ()
        call = original
        apart = None if owner is None else shows.apart(owner)
        if apart is not None:
            before, state = apart

            def call(*given: Any, **named: Any) -> Any:  # With the state it began with.
                again = shows.apart(before)
                assert again is not None, "a copy has such a state, too"
                return getattr(again[0], name)(*given, **named)

        second = Second(call, kind, args, kwargs, roots, apart=state)
        compare(scope.verification, shows, second)
    except Exception as error:
        scope.verification.alone(f"its second run could not be prepared: {error!r}")


__all__ = ["compared"]

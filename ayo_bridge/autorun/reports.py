"""What an unchanged program's users see of its acceleration: at exit, on stderr or in a file."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ayo_bridge.autorun import settings
from ayo_bridge.autorun.attached import WRONG
from ayo_bridge.autorun.remembered import REMEMBERED
from ayo_bridge.autorun.snapshots import Snapshots
from ayo_bridge.observe import explain_state, stats_state, timeline_state
from ayo_bridge.runahead import AcceleratedState

_registered: Final[set[int]] = set()
_drawn: Final[dict[Path, tuple[int, int]]] = {}
"""Of which object each file tells, and of how many of its calls."""


def report_at_exit() -> None:
    """Report once when this process ends, if the environment asks for it."""
    if asked_for() and not _registered:
        _registered.add(os.getpid())
        atexit.register(report)


def asked_for() -> bool:
    """Whether anything is asked for."""
    return any(map(_on, (settings.EXPLAIN, settings.STATS, settings.TIMELINE)))


def report() -> None:
    """Write what is asked for. Objects that were not called have nothing to tell."""
    SNAPSHOTS.end(_say)


def _say() -> None:
    called = REMEMBERED.called()
    said = [*_said(called), *_draw(called)]
    if (_on(settings.EXPLAIN) or _on(settings.STATS)) and not called:
        nothing = "no object of a framework was called that could be accelerated"
        wrong = [f"nothing is accelerated: {reason}" for reason in sorted(WRONG)]
        said += [f"ayo-bridge: {each}" for each in wrong or [nothing]]
    if said:
        print("\n\n".join(said), file=sys.stderr)


def _said(called: Sequence[AcceleratedState]) -> list[str]:
    """The texts that are asked for."""
    said: list[str] = []
    if _on(settings.EXPLAIN):
        said += [str(explain_state(state)) for state in called]
    if _on(settings.STATS):
        said += [str(stats_state(state)) for state in called]
    if said and not _is_first():
        said.insert(0, f"ayo-bridge, process {os.getpid()}:")
    return said


def _on(name: str) -> bool:
    return os.environ.get(name, "0") not in ("", "0")


def _is_first() -> bool:
    """Whether this is the process that the user has started."""
    return os.environ.get(settings.FIRST) == str(os.getpid())


def _draw(called: Sequence[AcceleratedState]) -> list[str]:
    """Write a file for each object, the most called one's under the name given; what went wrong.

    A process that another one has started adds its number, so that none writes over another's.
    """
    if not _on(settings.TIMELINE):
        return []
    path = Path(os.environ[settings.TIMELINE])
    if not _is_first():
        path = path.with_stem(f"{path.stem}-{os.getpid()}")
    try:
        for number, state in enumerate(called, 1):
            own = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
            tells = id(state), state.totals().calls
            if _drawn.get(own) != tells:
                timeline_state(state, own)
                _drawn[own] = tells
    except (OSError, ValueError) as error:
        return [f"ayo-bridge: no timeline was written: {error}"]
    return []


def _so_far() -> str:
    said = _said(REMEMBERED.called())
    return "\n\n".join(said) + "\n" if said else ""


def _forked() -> None:
    """In a child: what its parent has said is its parent's."""
    REMEMBERED.forked()
    SNAPSHOTS.forked()
    _drawn.clear()


SNAPSHOTS: Final = Snapshots(_so_far, lambda: _draw(REMEMBERED.called()))
"""Those of this process."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

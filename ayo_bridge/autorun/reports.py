"""What an unchanged program's users see of its acceleration: at exit, on stderr or in a file."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path
from typing import Final

from ayo_bridge.autorun import settings
from ayo_bridge.autorun.attached import remembered
from ayo_bridge.observe import explain_state, stats_state, timeline_state
from ayo_bridge.runahead import AcceleratedState

_registered: Final[set[int]] = set()


def report_at_exit() -> None:
    """Report once when this process ends, if the environment asks for it."""
    asked = any(os.environ.get(name) for name in (settings.STATS, settings.TIMELINE))
    if (asked or os.environ.get(settings.EXPLAIN)) and not _registered:
        _registered.add(os.getpid())
        atexit.register(report)


def report() -> None:
    """Write what is asked for. Objects that were not called have nothing to tell."""
    called = [state for state in remembered if state.totals().calls]
    called.sort(key=lambda state: -state.totals().calls)
    said: list[str] = []
    if _on(settings.EXPLAIN):
        said += [str(explain_state(state)) for state in called]
    if _on(settings.STATS):
        said += [str(stats_state(state)) for state in called]
    if (_on(settings.EXPLAIN) or _on(settings.STATS)) and not called:
        said.append("ayo-bridge: no object of a framework was called that could be accelerated")
    if name := os.environ.get(settings.TIMELINE):
        said += _drawn(Path(name), called)
    if said:
        print("\n\n".join(said), file=sys.stderr)


def _on(name: str) -> bool:
    return os.environ.get(name, "0") not in ("", "0")


def _drawn(path: Path, states: list[AcceleratedState]) -> list[str]:
    """Write a file for each object, the most called one's under the name given; what went wrong.

    A process that another one has started adds its number, so that none writes over another's.
    """
    if os.environ.get(settings.FIRST) != str(os.getpid()):
        path = path.with_stem(f"{path.stem}-{os.getpid()}")
    try:
        for number, state in enumerate(states, 1):
            own = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
            timeline_state(state, own)
    except (OSError, ValueError) as error:
        return [f"ayo-bridge: no timeline was written: {error}"]
    return []

"""In: a command line. Out: the `ayo-bridge` program.

``run`` becomes the user's program at once (:mod:`.quick`): importing what reads the other commands
(:mod:`.commands`) takes longer than starting an interpreter.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # Importing typing takes half as long as starting an interpreter.
if TYPE_CHECKING:
    from typing import Any

    from ayo_bridge.cli.commands import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the program."""
    if sys.argv[1:2] == ["run"]:
        from ayo_bridge.cli.quick import run_at_once

        run_at_once(sys.argv[2:])  # Returns where there is something to say.
    from ayo_bridge.cli.commands import app

    app()


def __getattr__(name: str) -> Any:
    """The commands, imported when they are asked for."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ayo_bridge.cli.commands import app

    return app

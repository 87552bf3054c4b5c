"""How far a command is: a bar on a terminal, else a line now and then, on stderr."""

from __future__ import annotations

from time import monotonic
from typing import Final

_APART: Final = 5.0
"""Seconds between two lines, where there is no terminal."""


class Shown:
    """Told what is being done, how many are done, and of how many. A context manager.

    ``first`` is what is being done before.
    """

    def __init__(self, first: str) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._console = Console(stderr=True)
        self._bar = Progress(console=self._console, transient=True)
        self._task = self._bar.add_task(first)
        self._last = monotonic()

    def __enter__(self) -> Shown:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def __call__(self, what: str, done: int, of: int) -> None:
        """So much is done."""
        if self._console.is_terminal:
            self._bar.update(self._task, description=what, completed=done, total=of)
        elif done == of or monotonic() - self._last >= _APART:
            self._last = monotonic()
            self._console.print(f"{what}: {done} of {of}", markup=False, highlight=False)


__all__ = ["Shown"]

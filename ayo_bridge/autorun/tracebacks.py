"""Uncaught exceptions of an unchanged program are shown as without us: our frames are left out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from ayo_bridge.adapter import adapters

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]
_CORE: Final = str(Path(__file__).resolve().parents[1])


class Shown:
    """Stands in the place of Python's own ``sys.excepthook``; a program's is never touched."""

    def __init__(self) -> None:
        self._hook: Hook = self._show
        self._ours: tuple[str, ...] = ()

    def install(self) -> None:
        """Show exceptions from now on."""
        if sys.excepthook is sys.__excepthook__:
            files = [sys.modules[type(each).__module__].__file__ for each in adapters()]
            self._ours = (_CORE, *(str(Path(file).parent) for file in files if file))
            sys.excepthook = self._hook

    def uninstall(self) -> None:
        """Have Python show them, unless somebody else does by now. Idempotent."""
        if sys.excepthook is self._hook:
            sys.excepthook = sys.__excepthook__

    def _show(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        seen: set[int] = set()
        todo: list[BaseException | None] = [error]
        while todo:
            each = todo.pop()
            if each is not None and id(each) not in seen:
                seen.add(id(each))
                each.__traceback__ = self._without_ours(each.__traceback__)
                todo += [each.__cause__, each.__context__]
        sys.__excepthook__(kind, error, error.__traceback__)

    def _without_ours(self, traceback: TracebackType | None) -> TracebackType | None:
        """The frames that are not ours; all of them, if the exception comes out of ours."""
        frames: list[TracebackType] = []
        each = traceback
        while each is not None:
            frames.append(each)
            each = each.tb_next
        if not frames or self._is_ours(frames[-1]):
            return traceback
        kept: TracebackType | None = None
        for each in reversed(frames):
            if not self._is_ours(each):
                kept = TracebackType(kept, each.tb_frame, each.tb_lasti, each.tb_lineno)
        return kept

    def _is_ours(self, traceback: TracebackType) -> bool:
        return traceback.tb_frame.f_code.co_filename.startswith(self._ours)


SHOWN: Final = Shown()
"""That of this process."""

"""What a call lets its observers see, in the order in which they see it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.differential.plain import Plain


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing seen. ``span`` is the span it happened in (or which it starts or ends)."""

    kind: str
    name: str
    span: str | None
    parent: str | None = None
    callback: str | None = None
    """Id of a legacy event."""
    content: Plain = None

    def shown(self) -> Plain:
        """All of it that is compared."""
        return {
            "kind": self.kind,
            "name": self.name,
            "span": self.span,
            "parent": self.parent,
            "callback": self.callback,
            "content": self.content,
        }


@dataclass
class Log:
    """Everything seen during one call. Filled from any thread."""

    entries: list[Seen] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, entry: Seen) -> None:
        """Append what was seen just now."""
        with self._lock:
            self.entries.append(entry)

    @property
    def concurrent(self) -> bool:
        """Whether spans overlapped instead of lying in each other."""
        return _overlap(self.entries)


def _overlap(entries: Iterable[Seen]) -> bool:
    opened: list[str | None] = []
    for entry in entries:
        if entry.kind == "enter":
            # A child of anything but the innermost open span started beside another.
            if opened and entry.parent in opened and entry.parent != opened[-1]:
                return True
            opened.append(entry.span)
        ends = entry.kind in ("exit", "drop") and entry.span in opened
        if ends and opened.pop() != entry.span:
            return True
    return False


__all__ = ["Log", "Seen"]

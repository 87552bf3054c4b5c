"""How far the learning of an object's calls is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Learning:
    """What was learned of calls, or how far that is.

    ``lines`` say it for people. While something is being learned, ``seen`` of ``needed`` calls with
    different inputs were seen; else ``needed`` is 0. ``in_use``: calls go by what was learned.
    """

    lines: tuple[str, ...] = ()
    seen: int = 0
    needed: int = 0
    in_use: bool = False

    @classmethod
    def of_several(cls, named: Mapping[str, Learning]) -> Learning:
        """That of several entries or parts: each under its name, as far as the farthest."""
        lines = [
            line
            for name, each in named.items()
            for line in (f"{name}:", *(f"  {said}" for said in each.lines))
        ]
        seen, needed = max(((each.seen, each.needed) for each in named.values()), default=(0, 0))
        return cls(tuple(lines), seen, needed, any(each.in_use for each in named.values()))

    def with_parts(self, parts: Learning) -> Learning:
        """The same, with what is learned of parts after it."""
        seen, needed = max((self.seen, self.needed), (parts.seen, parts.needed))
        in_use = self.in_use or parts.in_use
        return Learning((*self.lines, *parts.lines), seen, needed, in_use)

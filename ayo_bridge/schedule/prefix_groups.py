"""Which prompts belong together, for routers that keep a session at one replica."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ayo_bridge.schedule.prefixes import Chain
from ayo_bridge.schedule.recent import Recent

_MOST: Final = 1 << 16
"""Chunks that are remembered: some two million tokens."""
_FANOUT: Final = 8
"""So many prompts that go on from one prefilled beginning are one group."""


@dataclass(slots=True)
class _Begun:
    group: int
    continued: bool = False
    warmed: bool = False
    branches: int = 0


class PrefixGroups:
    """Numbers prompts by *prefix group*, for routers that keep a session at one replica.

    A prompt that goes on from an earlier one is of its group; so is one that begins with what was
    prefilled ahead for it. One that branches off elsewhere starts a group: all prompts of a program
    begin with the same words, and as one group they would all be sent to one replica.
    """

    def __init__(self) -> None:
        self._begun: Recent[_Begun] = Recent(_MOST)
        self._groups = 0

    def group(self, chain: Chain, *, warm: bool = False) -> int:
        """The group of a prompt that is sent now; ``warm``: ahead of those that go on from it."""
        path = self._begun.path(chain)
        length, group = len(path), self._joined(path, len(chain))
        if group is None:
            self._groups += 1
            group = self._groups
        if path and length < len(chain):
            if path[-1].continued:
                for begun in path:
                    begun.branches += 1
            path[-1].continued = True
        for key in chain[length:]:
            begun = _Begun(group, continued=True)
            self._begun.put(key, begun)
            path.append(begun)
        if path and length < len(chain):
            path[-1].continued = False
        if warm and path:
            path[-1].warmed = True
        return group

    @staticmethod
    def _joined(path: Sequence[_Begun], length: int) -> int | None:
        if not path:
            return None
        last = path[-1]
        if len(path) == length or not last.continued:
            return last.group
        warmed = next((begun for begun in reversed(path) if begun.warmed), None)
        return warmed.group if warmed is not None and warmed.branches < _FANOUT else None


__all__ = ["PrefixGroups"]

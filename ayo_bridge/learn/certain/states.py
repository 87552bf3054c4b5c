"""What holds at an instruction, on all paths to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ayo_bridge.learn.certain.facts import Value, met


class Node(NamedTuple):
    """An instruction; the head of a loop is another one when the loop comes back to it."""

    at: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What holds on all paths to an instruction; events are bits by their instruction's index."""

    stack: tuple[Value, ...]
    names: frozenset[tuple[str, Value]]
    must: int = 0
    may: int = 0

    def met(self, other: State) -> State:
        """What holds on these paths and on others."""
        stack = tuple(met(*both) for both in zip(self.stack, other.stack, strict=True))
        return State(stack, self.names & other.names, self.must & other.must, self.may | other.may)
